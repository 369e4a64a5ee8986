//! What an outbound side says as a WebSocket: its head, its messages and its control frames.

use tokio::io::AsyncWrite;

use super::date::with_date;
use super::dress::Dress;
use super::outbound::{MAX_PENDING, Out, Outbound};
use crate::http::encode::{EXCHANGE_FIELD, switching_head};
use crate::http::upgrade::Protocol;
use crate::plugin::Response;
use crate::websocket::handshake::Handshake;
use crate::websocket::{Control, Kind, encode};

/// What a WebSocket's client did that the host's own frames depend on.
#[derive(Clone, Copy, Debug)]
pub enum Turn {
    /// It sent a message of this kind.
    Message(Kind),
    /// It asked whether somebody is here.
    Ping(Control),
    /// It has not been heard for so long that it is to be asked.
    Silence,
}

/// The host's side of a WebSocket: what its frames depend on, and the control frames that are due.
///
/// Control frames have a bound of their own: of each sort one is due at the most (section 5.5.3 of
/// RFC 6455: the answer to the last of several pings is enough), and those before have left when they
/// are put into the buffer.
pub(super) struct Speech {
    handshake: Handshake,
    /// What messages are by the response's media type; as the client's where it names none.
    kind: Option<Kind>,
    /// What the client's last message was.
    client: Kind,
    /// A message has begun and is not complete.
    is_open: bool,
    is_ping_due: bool,
    pong: Option<Control>,
    /// Where the last control frame ends in the buffer, until it has left.
    mark: usize,
}

impl Speech {
    pub(super) fn new(handshake: Handshake) -> Self {
        Self {
            handshake,
            kind: None,
            client: Kind::Binary,
            is_open: false,
            is_ping_due: false,
            pong: None,
            mark: 0,
        }
    }

    /// The response head is known: it says what kind of messages follow. Returns the field that is added
    /// to it.
    pub(super) fn begin(&mut self, response: &Response) -> (&[u8], &[u8]) {
        self.kind = response
            .field("content-type")
            .map(|media| if is_text(media) { Kind::Text } else { Kind::Binary });
        (b"sec-websocket-accept", self.handshake.accept.as_bytes())
    }

    /// Whether a field of the plugin's may stand in the head: a subprotocol only if the client offers it.
    pub(super) fn admits(&self, name: &[u8], value: &[u8]) -> bool {
        !name.eq_ignore_ascii_case(b"sec-websocket-protocol")
            || self.handshake.protocols.iter().any(|offered| **offered == *value)
    }

    /// Appends `piece`, the beginning of `rest`: what is left of an emit.
    pub(super) fn say(&mut self, buffer: &mut Vec<u8>, piece: &[u8], rest: &[u8]) {
        let begin = (!self.is_open).then(|| self.kind_of(rest));
        self.is_open = piece.len() < rest.len();
        encode::data(buffer, begin, !self.is_open, piece);
    }

    /// Where text is due and the bytes are none, they go as what they are.
    fn kind_of(&self, bytes: &[u8]) -> Kind {
        match self.kind.unwrap_or(self.client) {
            Kind::Text if std::str::from_utf8(bytes).is_ok() => Kind::Text,
            _ => Kind::Binary,
        }
    }

    /// A turn of the client's that the host reacts to.
    pub(super) fn note(&mut self, turn: Turn) {
        match turn {
            Turn::Message(kind) => self.client = kind,
            Turn::Ping(payload) => self.pong = Some(payload),
            Turn::Silence => self.is_ping_due = true,
        }
    }

    /// Puts due control frames into the buffer, of which `written` bytes have left. Frames stand in it
    /// whole, so its end is always between two.
    pub(super) fn put_controls(&mut self, buffer: &mut Vec<u8>, written: usize) {
        if self.mark > written || !self.is_due() {
            return;
        }
        if std::mem::take(&mut self.is_ping_due) {
            encode::ping(buffer);
        }
        if let Some(payload) = self.pong.take() {
            encode::pong(buffer, &payload);
        }
        self.mark = buffer.len();
    }

    /// The buffer is empty.
    pub(super) const fn all_left(&mut self) {
        self.mark = 0;
    }

    /// Whether a control frame waits for its place in the buffer.
    pub(super) const fn is_due(&self) -> bool {
        self.is_ping_due || self.pong.is_some()
    }

    /// Whether a control frame has not left, when `written` bytes of the buffer have.
    pub(super) const fn has_control(&self, written: usize) -> bool {
        self.is_due() || self.mark > written
    }
}

impl<W: AsyncWrite + Unpin> Outbound<W> {
    /// The response goes out in WebSocket messages if its plan is to switch to them.
    pub fn converse(&self, handshake: Handshake) {
        self.lock().speech = Some(Box::new(Speech::new(handshake)));
    }

    /// Notes what a WebSocket's client did. Whatever is due for it leaves with the next flush.
    pub fn note(&self, turn: Turn) {
        if let Some(speech) = &mut self.lock().speech {
            speech.note(turn);
        }
    }

    /// Whether a control frame of a WebSocket waits to leave.
    #[must_use]
    pub fn has_control(&self) -> bool {
        let out = self.lock();
        let speech = out.speech.as_ref().filter(|_| out.dress == Dress::Messages);
        speech.is_some_and(|speech| speech.has_control(out.written))
    }

    /// Says the end of a WebSocket with a Close frame. Nothing is said after it.
    pub fn close(&self, code: u16, reason: &str) {
        let mut out = self.lock();
        out.speech = None;
        out.dress = Dress::Discard;
        encode::close(out.buffer(), code, reason);
    }
}

impl<W: AsyncWrite + Unpin> Out<W> {
    /// The head that goes over to another protocol; what follows is dressed as that one wants it.
    pub(super) fn switch(&mut self, protocol: Protocol, response: &Response) {
        self.status = 101;
        let exchange = self.exchange();
        let exchange = exchange.as_ref().map(|id| (EXCHANGE_FIELD.as_bytes(), &id[..]));
        // RFC 9110 section 8.6: no Content-Length with a 1xx status.
        let fields = response.fields().filter(|(name, _)| !name.eq_ignore_ascii_case(b"content-length"));
        let mut speech = self.speech.take();
        let buffer = self.buffer();
        match &mut speech {
            Some(speech) => {
                let admitted: Vec<_> = fields.filter(|(name, value)| speech.admits(name, value)).collect();
                let fields = admitted.into_iter().chain(exchange).chain([speech.begin(response)]);
                with_date(|date| switching_head(buffer, date, protocol.as_str(), fields));
                self.dress = Dress::Messages;
            }
            None => {
                let fields = fields.chain(exchange);
                with_date(|date| switching_head(buffer, date, protocol.as_str(), fields));
            }
        }
        self.speech = speech;
    }

    /// Takes an emit, or what is left of one, as a message. One that would fit into an empty buffer waits
    /// until it is empty, so that only larger ones are sent in fragments.
    pub(super) fn say(&mut self, bytes: &[u8]) -> usize {
        if self.pending > 0 && self.pending + bytes.len() > MAX_PENDING {
            return 0;
        }
        let taken = bytes.len().min(MAX_PENDING);
        let mut speech = self.speech.take();
        let buffer = self.buffer();
        let before = buffer.len();
        if let Some(speech) = &mut speech {
            speech.say(buffer, &bytes[..taken], bytes);
        }
        // Many small messages have more of frame heads than of payload.
        let grown = buffer.len() - before;
        self.pending += grown;
        self.speech = speech;
        self.count(taken);
        taken
    }

    /// Puts due control frames of a WebSocket into the buffer, and says whether there is something in it.
    /// Before the head is out there is no WebSocket.
    pub(super) fn put_controls(&mut self) -> bool {
        let is_open = self.dress == Dress::Messages;
        let Some(mut speech) = self.speech.take_if(|speech| is_open && speech.is_due()) else {
            return false;
        };
        let written = self.written;
        speech.put_controls(self.buffer(), written);
        self.speech = Some(speech);
        true
    }
}

/// Whether bytes of this media type are text for a WebSocket.
fn is_text(media: &[u8]) -> bool {
    let essence = media.split(|&byte| byte == b';').next().unwrap_or_default();
    let essence = essence.trim_ascii().to_ascii_lowercase();
    essence.starts_with(b"text/")
        || essence.ends_with(b"+json")
        || essence.ends_with(b"+xml")
        || [&b"application/json"[..], b"application/xml", b"application/javascript"].contains(&&*essence)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speech() -> Speech {
        Speech::new(Handshake { accept: "a".to_owned(), protocols: vec![b"chat"[..].into()] })
    }

    fn says(speech: &mut Speech, bytes: &[u8]) -> u8 {
        let mut buffer = Vec::new();
        speech.say(&mut buffer, bytes, bytes);
        buffer[0]
    }

    #[test]
    fn media_types_of_text() {
        for (media, expected) in [
            ("text/plain", true),
            ("Text/HTML; charset=utf-8", true),
            ("application/json", true),
            ("application/json ; x=y", true),
            ("application/problem+json", true),
            ("image/svg+xml", true),
            ("application/xml", true),
            ("application/javascript", true),
            ("application/octet-stream", false),
            ("application/x-ndjson", false),
            ("image/png", false),
            ("", false),
        ] {
            assert_eq!(is_text(media.as_bytes()), expected, "{media}");
        }
    }

    #[test]
    fn messages_are_as_the_client_s_unless_the_response_says_what_they_are() {
        let mut speech = speech();
        assert_eq!(says(&mut speech, b"a"), 0x82);
        speech.note(Turn::Message(Kind::Text));
        assert_eq!((says(&mut speech, b"a"), says(&mut speech, b"\xff")), (0x81, 0x82));
        let binary = Response::shaped(200, [(&b"content-type"[..], &b"image/png"[..])]);
        assert_eq!(speech.begin(&binary), (&b"sec-websocket-accept"[..], &b"a"[..]));
        assert_eq!(says(&mut speech, b"a"), 0x82);
        let text = Response::shaped(200, [(&b"content-type"[..], &b"text/plain"[..])]);
        speech.begin(&text);
        speech.note(Turn::Message(Kind::Binary));
        assert_eq!((says(&mut speech, b"a"), says(&mut speech, b"\xff")), (0x81, 0x82));
    }

    #[test]
    fn fragments_are_one_message() {
        let mut speech = speech();
        speech.note(Turn::Message(Kind::Text));
        let mut buffer = Vec::new();
        for (piece, rest) in [("a", "abc"), ("b", "bc"), ("c", "c"), ("d", "d")] {
            speech.say(&mut buffer, piece.as_bytes(), rest.as_bytes());
        }
        assert_eq!(buffer, b"\x01\x01a\x00\x01b\x80\x01c\x81\x01d");
    }

    #[test]
    fn control_frames_do_not_pile_up() {
        let mut speech = speech();
        let mut buffer = b"data".to_vec();
        for _ in 0..1_000 {
            speech.note(Turn::Ping(Control::EMPTY));
            speech.note(Turn::Silence);
            speech.put_controls(&mut buffer, 3);
        }
        assert_eq!(buffer, b"data\x89\x00\x8a\x00");
        assert!(speech.has_control(8) && speech.is_due());
        speech.put_controls(&mut buffer, 8);
        assert_eq!(buffer.len(), 12);
        assert!(speech.has_control(11) && !speech.has_control(12));
    }

    #[test]
    fn subprotocols_that_were_offered() {
        let speech = speech();
        for (name, value, expected) in [
            ("Sec-WebSocket-Protocol", "chat", true),
            ("sec-websocket-protocol", "Chat", false),
            ("sec-websocket-protocol", "other", false),
            ("x", "other", true),
        ] {
            assert_eq!(speech.admits(name.as_bytes(), value.as_bytes()), expected, "{value}");
        }
    }
}
