//! The text of `/metrics`, taken apart.

/// One line that is not a comment.
#[derive(Debug)]
pub struct Sample {
    pub name: String,
    labels: Vec<(String, String)>,
    pub value: f64,
}

impl Sample {
    /// Parses `name{label="value",…} number`, or says why it is no such thing.
    pub fn parse(line: &str) -> Result<Sample, String> {
        let end = line.find(['{', ' ']).ok_or("neither labels nor a value")?;
        let (name, mut rest) = line.split_at(end);
        if !is_name(name, true) {
            return Err(format!("not a name: {name:?}"));
        }
        let mut labels = Vec::new();
        if let Some(inside) = rest.strip_prefix('{') {
            rest = inside;
            while !rest.starts_with('}') {
                let (label, value, behind) = label(rest)?;
                labels.push((label, value));
                rest = behind.strip_prefix(',').unwrap_or(behind);
            }
            rest = &rest[1..];
        }
        let value = rest.strip_prefix(' ').ok_or_else(|| format!("no space before {rest:?}"))?;
        let value = value.parse().map_err(|_| format!("not a number: {value:?}"))?;
        Ok(Sample { name: name.to_owned(), labels, value })
    }

    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|label| label.0 == name).map(|label| label.1.as_str())
    }

    pub fn has(&self, labels: &[(&str, &str)]) -> bool {
        labels.iter().all(|(name, value)| self.label(name) == Some(*value))
    }
}

/// All samples of an answer.
pub struct Metrics {
    pub samples: Vec<Sample>,
}

impl Metrics {
    #[track_caller]
    pub fn parse(text: &str) -> Metrics {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let parse = |line| Sample::parse(line).unwrap_or_else(|reason| panic!("{line}: {reason}"));
        Metrics { samples: lines.map(parse).collect() }
    }

    /// The sum of all series of this name that have these labels; 0 if there is none.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.all(name, labels).map(|sample| sample.value).sum()
    }

    /// The series of this name that have these labels.
    pub fn all<'a>(
        &'a self,
        name: &'a str,
        labels: &'a [(&'a str, &'a str)],
    ) -> impl Iterator<Item = &'a Sample> {
        self.samples.iter().filter(move |sample| sample.name == name && sample.has(labels))
    }
}

/// `[a-zA-Z_:][a-zA-Z0-9_:]*`; labels have no colon.
pub fn is_name(name: &str, colon: bool) -> bool {
    let may_follow = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || (colon && byte == b':');
    name.bytes().all(may_follow) && name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit())
}

/// `name="value"` at the front, and what is behind it.
fn label(text: &str) -> Result<(String, String, &str), String> {
    let (name, rest) = text.split_once("=\"").ok_or_else(|| format!("not a label: {text:?}"))?;
    if !is_name(name, false) {
        return Err(format!("not a label's name: {name:?}"));
    }
    let mut value = String::new();
    let mut characters = rest.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok((name.to_owned(), value, &rest[at + 1..])),
            '\\' => match characters.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, escaped @ ('\\' | '"'))) => value.push(escaped),
                other => return Err(format!("a bad escape in {text:?}: {other:?}")),
            },
            '\n' => break,
            _ => value.push(character),
        }
    }
    Err(format!("the value has no end: {text:?}"))
}
