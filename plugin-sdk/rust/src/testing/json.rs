//! As much JSON as the description of a golden case takes.

#[derive(Debug, PartialEq)]
pub(super) enum Json {
    Text(String),
    /// A number, true, false or null, as it is written.
    Word(String),
    Object(Vec<(String, Json)>),
}

impl Json {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut rest = text;
        let value = value(&mut rest)?;
        if rest.trim_start().is_empty() { Ok(value) } else { Err(expected("the end", rest)) }
    }

    pub(super) fn object(self) -> Result<Vec<(String, Self)>, String> {
        match self {
            Self::Object(pairs) => Ok(pairs),
            other => Err(format!("an object is expected, not {other:?}")),
        }
    }

    pub(super) fn text(self) -> Result<String, String> {
        match self {
            Self::Text(text) => Ok(text),
            other => Err(format!("a string is expected, not {other:?}")),
        }
    }

    pub(super) fn number(self) -> Result<u16, String> {
        match self {
            Self::Word(word) if word.parse::<u16>().is_ok() => Ok(word.parse().unwrap_or_default()),
            other => Err(format!("a number is expected, not {other:?}")),
        }
    }
}

fn value(rest: &mut &str) -> Result<Json, String> {
    *rest = rest.trim_start();
    if rest.starts_with('"') {
        return string(rest).map(Json::Text);
    }
    if rest.starts_with('{') {
        return object(rest);
    }
    let end = rest.find(|char: char| !char.is_ascii_alphanumeric() && !"+-.".contains(char));
    let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
    if word.is_empty() {
        return Err(expected("a string, a number or an object", rest));
    }
    *rest = after;
    Ok(Json::Word(word.to_owned()))
}

fn object(rest: &mut &str) -> Result<Json, String> {
    let mut pairs = Vec::new();
    take(rest, '{')?;
    if take(rest, '}').is_ok() {
        return Ok(Json::Object(pairs));
    }
    loop {
        *rest = rest.trim_start();
        let name = string(rest)?;
        take(rest, ':')?;
        pairs.push((name, value(rest)?));
        if take(rest, ',').is_err() {
            take(rest, '}')?;
            return Ok(Json::Object(pairs));
        }
    }
}

fn string(rest: &mut &str) -> Result<String, String> {
    let mut chars = rest.strip_prefix('"').ok_or_else(|| expected("a string", rest))?.chars();
    let mut text = String::new();
    loop {
        match chars.next().ok_or("a string without an end")? {
            '"' => break,
            '\\' => text.push(escape(&mut chars)?),
            char => text.push(char),
        }
    }
    *rest = chars.as_str();
    Ok(text)
}

fn escape(chars: &mut std::str::Chars<'_>) -> Result<char, String> {
    let escape = chars.next().ok_or("a string without an end")?;
    Ok(match escape {
        '"' | '\\' | '/' => escape,
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'u' => {
            let digits: String = chars.by_ref().take(4).collect();
            let code = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
            code.ok_or_else(|| format!("\\u{digits} is no character"))?
        }
        other => return Err(format!("\\{other} is no escape")),
    })
}

fn take(rest: &mut &str, sign: char) -> Result<(), String> {
    let after = rest.trim_start().strip_prefix(sign).ok_or_else(|| expected(&format!("a {sign:?}"), rest))?;
    *rest = after;
    Ok(())
}

fn expected(what: &str, rest: &str) -> String {
    format!("{what} is expected before {:?}", rest.chars().take(20).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_case_may_say() {
        let text = r#" {"a": "x\n\u00e9\"", "n" : 201, "o": {}, "p": {"q": "" , "r":true}} "#;
        let text_of = |text: &str| Json::Text(text.to_owned());
        let word = |word: &str| Json::Word(word.to_owned());
        let inner = vec![("q".to_owned(), text_of("")), ("r".to_owned(), word("true"))];
        let expected = [
            ("a", text_of("x\né\"")),
            ("n", word("201")),
            ("o", Json::Object(vec![])),
            ("p", Json::Object(inner)),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value));
        assert_eq!(Json::parse(text).and_then(Json::object), Ok(Vec::from(expected)));
        assert_eq!(Json::parse("65535").and_then(Json::number), Ok(65_535));
    }

    #[test]
    fn all_else_is_an_error() {
        for text in ["", "{", "{\"a\"}", "{\"a\":1,}", "\"", "\"\\x\"", "\"\\ud800\"", "[1]", "1 2", "{} {}"]
        {
            assert!(Json::parse(text).is_err(), "{text}");
        }
        for text in ["-1", "65536", "\"1\"", "{}"] {
            assert!(Json::parse(text).and_then(Json::number).is_err(), "{text}");
        }
    }
}
