//! Reads `tests/corpus/http/*.case`; `README.md` there describes the format.

/// One case: what a client sends, and what must come of it.
#[derive(Clone, Debug)]
pub struct Case {
    pub name: String,
    /// Where the rule stands: `9112 6.3`.
    pub rfc: Vec<String>,
    pub steps: Vec<Step>,
    pub answers: Vec<Expected>,
    pub end: End,
    /// The close could not be announced: the head had left.
    pub is_unannounced: bool,
}

/// What a client does.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    Send(Vec<u8>),
    /// Waits for an answer's head.
    Await,
    /// Half-closes.
    Fin,
}

/// An answer.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    /// One of these.
    pub statuses: Vec<u16>,
    pub is_optional: bool,
    /// To HEAD: without a body, whatever its fields say.
    pub is_head: bool,
    pub body: Option<Vec<u8>>,
    pub fields: Vec<Field>,
}

/// What is said of a field: name in lower case.
#[derive(Clone, Debug)]
pub enum Field {
    Is(String, String),
    Exists(String),
    Missing(String),
}

/// What becomes of the connection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum End {
    /// It lives.
    Keep,
    /// It ends with FIN behind a whole answer, or none.
    Close,
    /// The last answer has no proper end.
    Cut,
    /// The same, told by RST.
    Reset,
}

impl Case {
    /// All that is sent.
    pub fn input(&self) -> Vec<u8> {
        let sent = self.steps.iter().map(|step| match step {
            Step::Send(bytes) => bytes.as_slice(),
            Step::Await | Step::Fin => &[],
        });
        sent.collect::<Vec<_>>().concat()
    }

    pub fn half_closes(&self) -> bool {
        self.steps.contains(&Step::Fin)
    }
}

/// All cases of a file, or the line that is wrong.
pub fn parse(text: &str) -> Result<Vec<Case>, String> {
    let mut cases: Vec<Draft> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let outcome = match (word, cases.last_mut()) {
            ("" | "#", _) => Ok(()),
            ("case", _) => {
                cases.push(Draft { name: rest.to_owned(), ..Draft::default() });
                Ok(())
            }
            (_, Some(draft)) => draft.take(word, rest),
            (_, None) => Err("not in a case".to_owned()),
        };
        outcome.map_err(|error| format!("line {}: {error}: {line}", number + 1))?;
    }
    cases.into_iter().map(Draft::finish).collect()
}

#[derive(Default)]
struct Draft {
    name: String,
    rfc: Vec<String>,
    steps: Vec<Step>,
    answers: Vec<Expected>,
    end: Option<End>,
    is_unannounced: bool,
}

impl Draft {
    fn take(&mut self, word: &str, rest: &str) -> Result<(), String> {
        match word {
            "rfc" => self.rfc = rest.split(", ").map(str::to_owned).collect(),
            ">" => match self.steps.last_mut() {
                Some(Step::Send(bytes)) => bytes.extend(decode(rest)?),
                _ => self.steps.push(Step::Send(decode(rest)?)),
            },
            "await" => self.steps.push(Step::Await),
            "fin" => self.steps.push(Step::Fin),
            "<" | "<?" => self.answers.push(answer(word == "<?", rest)?),
            "=" | "~" => {
                let answer = self.answers.last_mut().ok_or("no answer above")?;
                match word {
                    "=" => answer.body.get_or_insert_default().extend(decode(rest)?),
                    _ => answer.fields.push(field(rest)),
                }
            }
            "end" => {
                let (end, more) = rest.split_once(' ').unwrap_or((rest, ""));
                self.is_unannounced = more == "unannounced";
                self.end = Some(match end {
                    "keep" => End::Keep,
                    "close" => End::Close,
                    "cut" => End::Cut,
                    "reset" => End::Reset,
                    _ => return Err("no such end".to_owned()),
                });
            }
            _ => return Err("no such directive".to_owned()),
        }
        Ok(())
    }

    fn finish(self) -> Result<Case, String> {
        let Draft { name, rfc, steps, answers, end, is_unannounced } = self;
        let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if name.is_empty() || !name.bytes().all(is_name) || rfc.is_empty() || steps.is_empty() {
            return Err(format!("{name}: a case has a name, an rfc, and something to send"));
        }
        let end = end.ok_or_else(|| format!("{name}: no end"))?;
        Ok(Case { name, rfc, steps, answers, end, is_unannounced })
    }
}

fn answer(is_optional: bool, text: &str) -> Result<Expected, String> {
    let (statuses, more) = text.split_once(' ').unwrap_or((text, ""));
    let statuses: Result<Vec<u16>, _> = statuses.split('|').map(str::parse).collect();
    let statuses = statuses.map_err(|error| error.to_string())?;
    Ok(Expected { statuses, is_optional, is_head: more == "head", ..Expected::default() })
}

fn field(text: &str) -> Field {
    match (text.split_once(": "), text.strip_prefix('!')) {
        (Some((name, value)), _) => Field::Is(name.to_lowercase(), value.to_owned()),
        (None, Some(name)) => Field::Missing(name.to_lowercase()),
        (None, None) => Field::Exists(text.to_lowercase()),
    }
}

/// Bytes out of their text with escapes.
pub fn decode(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let escape = rest[at + 1..].chars().next().ok_or("a lone backslash")?;
        rest = &rest[at + 2..];
        match escape {
            'r' => bytes.push(b'\r'),
            'n' => bytes.push(b'\n'),
            't' => bytes.push(b'\t'),
            '0' => bytes.push(0),
            '\\' => bytes.push(b'\\'),
            'x' => {
                let digits = rest.get(..2).ok_or("two digits behind \\x")?;
                bytes.push(u8::from_str_radix(digits, 16).map_err(|error| error.to_string())?);
                rest = &rest[2..];
            }
            '[' => {
                let (repeated, behind) = rest.split_once(']').ok_or("\\[ without ]")?;
                let (text, times) = repeated.rsplit_once('*').ok_or("\\[ without *")?;
                let times = times.parse().map_err(|_| "no number of times")?;
                bytes.extend(decode(text)?.repeat(times));
                rest = behind;
            }
            _ => return Err(format!("no such escape: \\{escape}")),
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(bytes)
}

#[test]
fn a_case_is_read() {
    let text = "# A comment\n\ncase a-1\nrfc 9112 6.1, 9110 5\n> A\\r\n> \\n\\x41\\0\\\\\\[b\\t*2]\nawait\n> c\nfin\n\
                <? 100\n< 200|204 head\n= d\n=\n~ A: b: c\n~ e\n~ !f\nend close unannounced\n";
    let cases = parse(text).expect("a case");
    let [case] = cases.as_slice() else { panic!("one case: {cases:?}") };
    assert_eq!((case.name.as_str(), case.end, case.is_unannounced), ("a-1", End::Close, true));
    assert_eq!(case.rfc, ["9112 6.1", "9110 5"]);
    let first = Step::Send(b"A\r\nA\0\\b\tb\t".to_vec());
    assert_eq!(case.steps, [first, Step::Await, Step::Send(b"c".to_vec()), Step::Fin]);
    assert_eq!(case.input(), b"A\r\nA\0\\b\tb\tc");
    let [interim, last] = case.answers.as_slice() else { panic!("two answers: {case:?}") };
    assert!(interim.is_optional && !last.is_optional && last.is_head);
    assert_eq!((last.statuses.as_slice(), last.body.as_deref()), (&[200, 204][..], Some(&b"d"[..])));
    assert!(matches!(&last.fields[0], Field::Is(name, value) if name == "a" && value == "b: c"));
    for wrong in
        ["> a", "case a\nrfc 1 1\n> \\q\nend keep", "case A\nrfc 1 1\n> a\nend keep", "case a\n> a\nend keep"]
    {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}
