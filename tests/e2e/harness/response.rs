//! What comes back: the head, the pieces of the body, and how it ended.

#[derive(Clone, Debug)]
pub struct Head {
    pub status: u16,
    pub version: String,
    /// Names in lower case.
    fields: Vec<(String, String)>,
}

impl Head {
    #[track_caller]
    pub fn parse(bytes: &[u8]) -> Head {
        let text = String::from_utf8_lossy(bytes);
        let mut lines = text.trim_end().split("\r\n");
        let status_line = lines.next().unwrap_or_default();
        let mut words = status_line.split(' ');
        let version = words.next().unwrap_or_default().to_owned();
        let status = words.next().and_then(|status| status.parse().ok());
        let fields = lines.map(|line| {
            let (name, value) = line.split_once(':').expect("a field has a colon");
            (name.to_lowercase(), value.trim().to_owned())
        });
        Head {
            status: status.unwrap_or_else(|| panic!("not a status line: {status_line}")),
            version,
            fields: fields.collect(),
        }
    }

    /// The value of a field that is there at most once.
    #[track_caller]
    pub fn field(&self, name: &str) -> Option<&str> {
        let values = self.all(name);
        assert!(values.len() < 2, "{name} is there twice: {values:?}");
        values.first().copied()
    }

    pub fn all(&self, name: &str) -> Vec<&str> {
        let with_name = self.fields.iter().filter(|field| field.0 == name);
        with_name.map(|field| field.1.as_str()).collect()
    }

    pub fn says_close(&self) -> bool {
        self.field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }

    /// How the body behind this head is known to end. It must be said in one way only.
    #[track_caller]
    pub fn framing(&self) -> Framing {
        let chunked = self.field("transfer-encoding");
        let length = self.field("content-length");
        assert!(chunked.is_none() || length.is_none(), "both a length and chunks: {self:?}");
        match (self.status, chunked, length) {
            (100..200 | 204 | 304, ..) => Framing::Length(0),
            (_, Some(coding), _) => {
                assert_eq!(coding, "chunked");
                Framing::BetweenChunks
            }
            (_, _, Some(length)) => Framing::Length(length.parse().expect("a length")),
            _ => Framing::UntilClose,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Framing {
    /// The next thing is a chunk's size line.
    BetweenChunks,
    /// So much of the wire chunk is to come, then CRLF.
    InChunk(usize),
    Length(usize),
    UntilClose,
    /// The end of the response was there.
    Ended,
}

/// The next thing of a body.
#[derive(Debug, PartialEq)]
pub enum Step {
    Data(Vec<u8>),
    Over(Ending),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ending {
    /// The terminating chunk, the exact length, or (close-delimited) the end of the connection.
    Clean,
    /// The connection closed before that.
    Cut,
    /// TLS: the connection closed without `close_notify`. Nothing was said to be whole.
    Truncated,
    /// The connection was reset.
    Reset,
}

/// A whole response.
#[derive(Debug)]
pub struct Answer {
    pub head: Head,
    pub body: Vec<u8>,
    pub ending: Ending,
}

impl Answer {
    #[track_caller]
    pub fn is_clean(&self, status: u16, body: impl AsRef<[u8]>) {
        assert_eq!(self.head.status, status, "{}", self.text());
        assert_eq!(self.text(), String::from_utf8_lossy(body.as_ref()));
        assert_eq!(self.ending, Ending::Clean);
    }

    /// Ended on purpose before its end, after exactly this body.
    #[track_caller]
    pub fn is_cut(&self, body: impl AsRef<[u8]>) {
        assert_eq!(self.head.status, 200, "{}", self.text());
        assert_eq!(self.text(), String::from_utf8_lossy(body.as_ref()));
        assert_ne!(self.ending, Ending::Clean);
    }

    /// The host's own answer: one line of text with a reason.
    #[track_caller]
    pub fn is_error(&self, status: u16) {
        assert_eq!(self.head.status, status, "{}", self.text());
        let kind = self.head.field("content-type").unwrap_or_default();
        assert!(kind.starts_with("text/plain"), "{kind}");
        assert_eq!(self.ending, Ending::Clean);
        let text = self.text();
        assert_eq!(text.lines().count(), 1, "one line: {text:?}");
        assert!(text.len() < 300, "a short line: {text}");
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}
