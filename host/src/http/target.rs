//! Request targets (RFC 9112 section 3.2).

use super::Refusal;
use super::authority::Authority;
use super::method::Method;

/// A target taken apart. All parts are slices of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Target<'a> {
    /// What stands in place of Host: there in absolute form only.
    pub(super) authority: Option<&'a str>,
    /// `*`, or a path with its leading slash; empty for an absolute form without one.
    pub(super) path: &'a str,
    /// What follows the first `?`.
    pub(super) query: Option<&'a str>,
}

impl<'a> Target<'a> {
    /// Takes apart a target in origin form, in absolute form (`http` or `https`), or the `*` of
    /// OPTIONS. Authority form belongs to CONNECT, which is not offered.
    ///
    /// # Errors
    ///
    /// 400 for any other form, for bytes that are not visible ASCII, for a fragment, and for an
    /// authority that is empty, malformed, or has userinfo (RFC 9110 sections 4.2.1 and 4.2.4).
    pub(super) fn parse(target: &'a str, method: Method) -> Result<Self, Refusal> {
        if !target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
            return Err(Refusal::bad_request("the request target has a byte that does not belong"));
        }
        let (authority, local) = if target.starts_with('/') || (target == "*" && method == Method::Options) {
            (None, target)
        } else {
            let (authority, local) = split_absolute(target)?;
            (Some(authority), local)
        };
        let (path, query) = match local.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (local, None),
        };
        Ok(Self { authority, path, query })
    }
}

/// Authority and rest of a target in absolute form.
fn split_absolute(target: &str) -> Result<(&str, &str), Refusal> {
    let (_, rest) = target
        .split_once("://")
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https"))
        .ok_or_else(|| Refusal::bad_request("the request target has no known form"))?;
    let (authority, local) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    match Authority::parse(authority.as_bytes()) {
        Some(parsed) if !parsed.host.is_empty() => Ok((authority, local)),
        _ => Err(Refusal::bad_request("the request target's host is invalid")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(target: &str) -> Option<(Option<&str>, &str, Option<&str>)> {
        let target = Target::parse(target, Method::Get).ok()?;
        Some((target.authority, target.path, target.query))
    }

    #[test]
    fn reads_the_known_forms() {
        for (target, expected) in [
            ("/", (None, "/", None)),
            ("/a/b?c?d", (None, "/a/b", Some("c?d"))),
            ("/a?", (None, "/a", Some(""))),
            ("//a", (None, "//a", None)),
            ("/http://h/", (None, "/http://h/", None)),
            ("http://h", (Some("h"), "", None)),
            ("http://h/", (Some("h"), "/", None)),
            ("HTTPS://h:1/a?b", (Some("h:1"), "/a", Some("b"))),
            ("http://h?a/b", (Some("h"), "", Some("a/b"))),
            ("http://[::1]:80/", (Some("[::1]:80"), "/", None)),
        ] {
            assert_eq!(parts(target), Some(expected), "{target}");
        }
        assert!(Target::parse("*", Method::Options).is_ok());
    }

    #[test]
    fn refuses_the_others() {
        for target in [
            "",
            "*",
            "a",
            "a/b",
            "?a",
            "h:80",
            "http:",
            "http:/a",
            "http://",
            "http:///a",
            "http://:80/",
            "http://u@h/",
            "http://u:p@h/",
            "http://h:x/",
            "http://a b/",
            "ftp://h/",
            "httpx://h/",
            "://h/",
            "/a#b",
            "/#",
            "/caf\u{e9}",
            "/a\u{7f}",
        ] {
            assert_eq!(parts(target), None, "{target}");
        }
    }
}
