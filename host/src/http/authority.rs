//! Authorities: `uri-host [ ":" port ]`, as the Host field and targets in absolute form carry them
//! (RFC 9110 sections 4.2.1 and 7.2, RFC 3986 section 3.2).

// Addresses as text: core knows no sockets.
use core::net::Ipv6Addr;

use super::framing::parse_length;

/// A host and perhaps a port, without userinfo.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Authority<'a> {
    /// As sent: a name, an IPv4 address, or an IP literal with its brackets. May be empty.
    pub host: &'a [u8],
    /// `None` where there is none, or an empty one (`a:`).
    pub port: Option<u16>,
}

impl<'a> Authority<'a> {
    /// The parts of `value`, or `None` if the grammar has no such thing. Userinfo (`user@host`) is
    /// refused: in `http` and `https` it only ever misleads (RFC 9110 section 4.2.4). So is a port
    /// beyond 65,535.
    #[must_use]
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        let end = if let Some(literal) = value.strip_prefix(b"[") {
            let end = literal.iter().position(|&byte| byte == b']')?;
            if !is_ip_literal(&literal[..end]) {
                return None;
            }
            end + 2
        } else {
            reg_name(value)?
        };
        let (host, rest) = value.split_at(end);
        let port = match rest {
            [] | [b':'] => None,
            [b':', digits @ ..] => Some(u16::try_from(parse_length(digits)?).ok()?),
            _ => return None,
        };
        Some(Self { host, port })
    }
}

/// What stands between the brackets (RFC 3986 section 3.2.2). No zone: it means nothing to others.
fn is_ip_literal(literal: &[u8]) -> bool {
    if let [b'v' | b'V', future @ ..] = literal {
        let mut halves = future.splitn(2, |&byte| byte == b'.');
        let (Some(version), Some(address)) = (halves.next(), halves.next()) else {
            return false;
        };
        return !version.is_empty()
            && version.iter().all(u8::is_ascii_hexdigit)
            && !address.is_empty()
            && address.iter().all(|&byte| byte == b':' || NAME_BYTES[usize::from(byte)]);
    }
    std::str::from_utf8(literal).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok())
}

/// The length of the registered name or IPv4 address at the front of `value`: up to its port, or all
/// of it. Percent-encoding is whole where there is any.
fn reg_name(value: &[u8]) -> Option<usize> {
    let mut end = 0;
    loop {
        match value.get(end) {
            Some(&byte) if NAME_BYTES[usize::from(byte)] => end += 1,
            Some(b'%') if value.get(end + 1..end + 3)?.iter().all(u8::is_ascii_hexdigit) => end += 3,
            Some(b':') | None => return Some(end),
            Some(_) => return None,
        }
    }
}

/// `unreserved` and `sub-delims` (RFC 3986 section 2).
const NAME_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < table.len() {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let others = b"-._~!$&'()*+,;=";
    let mut index = 0;
    while index < others.len() {
        table[others[index] as usize] = true;
        index += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_host_and_port() {
        for (value, host, port) in [
            (&b""[..], &b""[..], None),
            (b"a", b"a", None),
            (b"a:", b"a", None),
            (b"a:80", b"a", Some(80)),
            (b"a:0080", b"a", Some(80)),
            (b"a:65535", b"a", Some(65_535)),
            (b":80", b"", Some(80)),
            (b"127.0.0.1:8080", b"127.0.0.1", Some(8_080)),
            (b"example.com.", b"example.com.", None),
            (b"under_score~-.x", b"under_score~-.x", None),
            (b"a%20b", b"a%20b", None),
            (b"!$&'()*+,;=", b"!$&'()*+,;=", None),
            (b"[::1]", b"[::1]", None),
            (b"[::1]:443", b"[::1]", Some(443)),
            (b"[::ffff:192.0.2.1]:", b"[::ffff:192.0.2.1]", None),
            (b"[v1.a:b]", b"[v1.a:b]", None),
        ] {
            let expected = Some(Authority { host, port });
            assert_eq!(Authority::parse(value), expected, "{}", value.escape_ascii());
        }
    }

    #[test]
    fn refuses_what_is_none() {
        for value in [
            &b" "[..],
            b"a b",
            b"a\tb",
            b"a/b",
            b"a?b",
            b"a#b",
            b"a@b",
            b"user:pass@b",
            b"a:b",
            b"a:80:80",
            b"a:-1",
            b"a:+1",
            b"a:65536",
            b"a:99999999999999999999999",
            b"::1",
            b"a%",
            b"a%2",
            b"a%zz",
            b"a\\b",
            b"a\"b",
            b"<a>",
            b"a|b",
            b"a^b",
            b"a`b",
            b"{a}",
            b"caf\xc3\xa9",
            b"a\0",
            b"[",
            b"[]",
            b"[::1",
            b"::1]",
            b"[::1]a",
            b"[::1]:a",
            b"[::1%25eth0]",
            b"[127.0.0.1]",
            b"[g::]",
            b"[v.a]",
            b"[v1.]",
            b"[v1]",
            b"[vx.a]",
        ] {
            assert_eq!(Authority::parse(value), None, "{}", value.escape_ascii());
        }
    }
}
