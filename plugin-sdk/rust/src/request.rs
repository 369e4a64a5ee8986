//! The request head, typed.

use crate::{TooLong, hostcalls::ascii, request_field};

/// The request's method.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Method {
    /// GET.
    Get,
    /// HEAD: the answer to GET without its body. What is emitted goes nowhere.
    Head,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// PATCH.
    Patch,
    /// DELETE.
    Delete,
    /// OPTIONS.
    Options,
    /// One that a later host lets through, or none (`wasmplex run`).
    Other,
}

/// The request's method.
#[must_use]
pub fn method() -> Method {
    // Longer than any of them: what does not fit is another one.
    match request_field(":method", &mut [0; 8]) {
        Some(Ok(b"GET")) => Method::Get,
        Some(Ok(b"HEAD")) => Method::Head,
        Some(Ok(b"POST")) => Method::Post,
        Some(Ok(b"PUT")) => Method::Put,
        Some(Ok(b"PATCH")) => Method::Patch,
        Some(Ok(b"DELETE")) => Method::Delete,
        Some(Ok(b"OPTIONS")) => Method::Options,
        _ => Method::Other,
    }
}

/// The request's path as it was sent: with the plugin's name in front, the percent
/// encoding kept, without the query. Printable ASCII. Empty under `wasmplex run`.
///
/// # Errors
///
/// [`TooLong`], with `buf` unchanged, if it does not fit. A host takes up to 16 KiB.
pub fn path(buf: &mut [u8]) -> Result<&str, TooLong> {
    request_field(":path", buf).unwrap_or(Ok(&[])).map(ascii)
}

/// The request's query: what follows the `?`. Empty if there is none.
///
/// ```
/// # wasmplex_plugin::testing::Request::new().target("/clock?n=3&zone=Europe%2FBerlin").enter(|| {
/// let mut buf = [0; 512];
/// let query = wasmplex_plugin::query(&mut buf)?;
/// assert_eq!(query.get("n").and_then(|n| n.parse()), Some(3));
/// assert!(query.get("zone").is_some_and(|zone| zone.is("Europe/Berlin")));
/// # Ok::<(), wasmplex_plugin::TooLong>(())
/// # }).unwrap();
/// ```
///
/// # Errors
///
/// [`TooLong`], with `buf` unchanged, if it does not fit. A host takes up to 16 KiB.
pub fn query(buf: &mut [u8]) -> Result<Query<'_>, TooLong> {
    let raw = request_field(":query", buf).unwrap_or(Ok(&[])).map(ascii)?;
    Ok(Query { raw })
}

/// A query, taken apart at `&` into pairs. Nothing is copied.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Query<'a> {
    raw: &'a str,
}

impl<'a> Query<'a> {
    /// Of this text, as it stands in a request's target behind the `?`, or in a form
    /// that was posted (`application/x-www-form-urlencoded`).
    #[must_use]
    pub const fn new(raw: &'a str) -> Self {
        Self { raw }
    }

    /// As it was sent.
    #[must_use]
    pub const fn as_str(&self) -> &'a str {
        self.raw
    }

    /// The pairs of name and value, in their order. A part without `=` is a name with an
    /// empty value; an empty part is left out.
    pub fn pairs(&self) -> impl Iterator<Item = (Encoded<'a>, Encoded<'a>)> + use<'a> {
        let parts = self.raw.split('&').filter(|part| !part.is_empty());
        parts.map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (Encoded { raw: name }, Encoded { raw: value })
        })
    }

    /// The value of the first pair with this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Encoded<'a>> {
        self.pairs().find(|(present, _)| present.is(name)).map(|(_, value)| value)
    }
}

/// A name or a value of a query, with `%41` for a byte and `+` for a blank.
///
/// A `%` without two hexadecimal digits behind it stands for itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Encoded<'a> {
    raw: &'a str,
}

impl<'a> Encoded<'a> {
    /// As it was sent.
    #[must_use]
    pub const fn as_str(&self) -> &'a str {
        self.raw
    }

    /// The bytes that it stands for; any bytes, not only UTF-8.
    pub fn bytes(&self) -> impl Iterator<Item = u8> + use<'a> {
        let mut rest = self.raw.as_bytes();
        core::iter::from_fn(move || {
            let (byte, len) = match *rest {
                [] => return None,
                [b'%', high, low, ..] => match (hex(high), hex(low)) {
                    (Some(high), Some(low)) => (high << 4 | low, 3),
                    _ => (b'%', 1),
                },
                [b'+', ..] => (b' ', 1),
                [byte, ..] => (byte, 1),
            };
            rest = &rest[len..];
            Some(byte)
        })
    }

    /// Whether it stands for this text.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        self.bytes().eq(text.bytes())
    }

    /// The bytes that it stands for, put into `buf`.
    ///
    /// # Errors
    ///
    /// [`TooLong`] if they do not fit; `buf` has the first of them then.
    pub fn decode<'b>(&self, buf: &'b mut [u8]) -> Result<&'b [u8], TooLong> {
        let mut needed = 0;
        for byte in self.bytes() {
            if let Some(place) = buf.get_mut(needed) {
                *place = byte;
            }
            needed += 1;
        }
        buf.get(..needed).ok_or(TooLong { needed })
    }

    /// What it stands for as a number or another short text (up to 64 bytes), `None` if
    /// it is none.
    #[must_use]
    pub fn parse<T: core::str::FromStr>(&self) -> Option<T> {
        let mut buf = [0; 64];
        core::str::from_utf8(self.decode(&mut buf).ok()?).ok()?.parse().ok()
    }
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

/// The request's content type, `None` if it has none.
///
/// ```
/// # let request = wasmplex_plugin::testing::Request::new();
/// # request.field("content-type", "Application/JSON; charset=utf-8").enter(|| {
/// let mut buf = [0; 128];
/// if let Some(Ok(content_type)) = wasmplex_plugin::content_type(&mut buf) {
///     assert!(content_type.is("application/json"));
///     assert_eq!(content_type.parameter("charset"), Some(b"utf-8".as_slice()));
/// }
/// # });
/// ```
pub fn content_type(buf: &mut [u8]) -> Option<Result<ContentType<'_>, TooLong>> {
    Some(request_field("content-type", buf)?.map(|raw| ContentType { raw }))
}

/// A media type with its parameters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ContentType<'a> {
    raw: &'a [u8],
}

impl<'a> ContentType<'a> {
    /// As it was sent.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.raw
    }

    /// Type and subtype without parameters, as they were sent: `text/plain`.
    #[must_use]
    pub fn essence(&self) -> &'a [u8] {
        pieces(self.raw, b';').next().unwrap_or_default()
    }

    /// Whether this is its type and subtype, in any case.
    #[must_use]
    pub fn is(&self, essence: &str) -> bool {
        self.essence().eq_ignore_ascii_case(essence.as_bytes())
    }

    /// A parameter's value, without the quotes that may stand around it. Backslashes
    /// within quotes are left as they are.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&'a [u8]> {
        pieces(self.raw, b';').skip(1).find_map(|piece| value_of(piece, name))
    }
}

/// Whether a list field of the request, as `accept`, `accept-encoding`, `connection` or
/// `te`, names this item, in any case and whatever its parameters, unless it says `q=0`.
///
/// Wildcards (`*/*`) do not name it. A field of more than 1 KiB names nothing.
///
/// ```
/// # let request = wasmplex_plugin::testing::Request::new();
/// # request.field("Accept", "text/html;q=0.9, text/event-stream, text/csv;q=0").enter(|| {
/// use wasmplex_plugin::request_lists;
///
/// assert!(request_lists("accept", "text/event-stream"));
/// assert!(!request_lists("accept", "text/csv"));
/// # });
/// ```
#[must_use]
pub fn request_lists(field: &str, item: &str) -> bool {
    let Some(Ok(value)) = request_field(field, &mut [0; 1024]).map(|value| value.map(|raw| names(raw, item)))
    else {
        return false;
    };
    value
}

fn names(list: &[u8], item: &str) -> bool {
    pieces(list, b',').any(|piece| {
        let mut parts = pieces(piece, b';');
        let is_it = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(item.as_bytes()));
        is_it && !parts.any(|part| value_of(part, "q").is_some_and(is_zero))
    })
}

/// A weight of nothing (RFC 9110, 12.4.2): `0`, `0.` or `0.000`.
fn is_zero(weight: &[u8]) -> bool {
    weight.starts_with(b"0") && weight.iter().all(|byte| matches!(byte, b'0' | b'.'))
}

/// The value in `name=value` or `name="value"`, if this is that name.
fn value_of<'a>(piece: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let at = piece.iter().position(|byte| *byte == b'=')?;
    let (present, value) = (piece[..at].trim_ascii(), piece[at + 1..].trim_ascii());
    let unquoted = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
    present.eq_ignore_ascii_case(name.as_bytes()).then_some(unquoted.unwrap_or(value))
}

/// The pieces between separators that stand outside of quotes, without the white space
/// around them.
fn pieces(value: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let pieces = value.split(move |byte| {
        let is_border = *byte == separator && !is_quoted;
        is_quoted ^= *byte == b'"' && !is_escaped;
        is_escaped = *byte == b'\\' && is_quoted && !is_escaped;
        is_border
    });
    pieces.map(<[u8]>::trim_ascii)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Request;

    #[test]
    fn method_path_and_query() {
        Request::new().field(":method", "DELETE").target("/a/b%20c?x=1&&y").enter(|| {
            assert_eq!(method(), Method::Delete);
            assert_eq!(path(&mut [0; 16]), Ok("/a/b%20c"));
            assert_eq!(path(&mut [0; 4]), Err(TooLong { needed: 8 }));
            assert_eq!(query(&mut [0; 16]), Ok(Query::new("x=1&&y")));
            assert_eq!(query(&mut [0; 2]), Err(TooLong { needed: 6 }));
        });
        Request::new().field(":method", "PROPFINDALL").enter(|| {
            assert_eq!((method(), query(&mut [])), (Method::Other, Ok(Query::new(""))));
        });
    }

    #[test]
    fn every_method_has_its_name() {
        for name in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
            let method = Request::new().field(":method", name).enter(method);
            assert_eq!(format!("{method:?}").to_ascii_uppercase(), name);
        }
    }

    #[test]
    fn pairs_of_a_query() {
        let pairs = |raw| -> Vec<(String, String)> {
            let text = |encoded: Encoded<'_>| String::from_utf8(encoded.bytes().collect()).unwrap();
            Query::new(raw).pairs().map(|(name, value)| (text(name), text(value))).collect()
        };
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        assert_eq!(pairs(""), []);
        assert_eq!(pairs("a=1&b"), [("a", "1"), ("b", "")].map(owned));
        assert_eq!(pairs("&a==&&=x&"), [("a", "="), ("", "x")].map(owned));
        assert_eq!(pairs("a%3D=b%26c+d%2b"), [("a=", "b&c d+")].map(owned));
        assert_eq!(pairs("%=%4&%zz=%4%41"), [("%", "%4"), ("%zz", "%4A")].map(owned));
    }

    #[test]
    fn decoding_is_bounded() {
        let value = Query::new("a=%e2%82%ac%ff").get("a").unwrap();
        assert_eq!(value.as_str(), "%e2%82%ac%ff");
        assert_eq!(value.decode(&mut [0; 4]), Ok(b"\xe2\x82\xac\xff".as_slice()));
        assert_eq!(value.decode(&mut [0; 3]), Err(TooLong { needed: 4 }));
        assert_eq!(value.parse::<String>(), None, "not UTF-8");
        assert_eq!(Query::new("n=-5").get("n").and_then(|n| n.parse()), Some(-5));
        assert_eq!(Query::new("n=5x").get("n").and_then(|n| n.parse::<u32>()), None);
        let long = "1".repeat(65);
        assert_eq!(Query::new(&long).pairs().next().and_then(|(name, _)| name.parse::<String>()), None);
    }

    #[test]
    fn content_types() {
        let request = Request::new().field("content-type", "Text/HTML ; a=\"x;y\" ;Charset = utf-8");
        request.enter(|| {
            let mut buf = [0; 64];
            let content_type = content_type(&mut buf).unwrap().unwrap();
            assert_eq!(content_type.essence(), b"Text/HTML");
            assert!(content_type.is("text/html") && !content_type.is("text/htm"));
            assert_eq!(content_type.parameter("charset"), Some(b"utf-8".as_slice()));
            assert_eq!(content_type.parameter("A"), Some(b"x;y".as_slice()));
            assert_eq!(content_type.parameter("b"), None);
        });
        Request::new().enter(|| assert_eq!(content_type(&mut []), None));
    }

    #[test]
    fn list_fields() {
        let lists = |value: &str, item| Request::new().field("te", value).enter(|| request_lists("TE", item));
        assert!(
            lists("gzip", "gzip") && lists("br, GZIP;q=0.5", "gzip") && lists("a;x=\"q=0,\",gzip", "gzip")
        );
        assert!(lists("gzip ; q=0.001", "gzip"));
        for no in ["", "xgzip", "br", "*", "gzip;q=0", "gzip; Q=0.000", "\"gzip,gzip\"", ",,;,"] {
            assert!(!lists(no, "gzip"), "{no}");
        }
        assert!(!lists(&format!("gzip, {}", "x".repeat(1_024)), "gzip"), "too long");
        assert!(!Request::new().enter(|| request_lists("te", "gzip")));
    }
}
