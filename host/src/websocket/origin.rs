//! Which pages may open a WebSocket (section 10.2).
//!
//! A browser lets any page open a WebSocket to any host, with the user's cookies and from within the
//! user's network, and tells the host only whose page it is: the Origin field. So a page of another
//! host is refused unless it is listed.

use std::str::FromStr;

/// Origins that may ask beside the host's own.
#[derive(Clone, Debug, Default)]
pub struct Origins(Vec<Listed>);

/// One entry of the list.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Listed {
    Any,
    /// In lower case, without a port that goes without saying.
    One(Box<str>),
}

impl FromIterator<Listed> for Origins {
    fn from_iter<T: IntoIterator<Item = Listed>>(entries: T) -> Self {
        Self(entries.into_iter().collect())
    }
}

impl FromStr for Listed {
    type Err = String;

    /// `*`, `null`, or an origin as browsers send it: `https://example.org:8443`.
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "*" => return Ok(Self::Any),
            "null" => return Ok(Self::One(text.into())),
            _ => {}
        }
        let is_origin = text.split_once("://").is_some_and(|(scheme, authority)| {
            !scheme.is_empty() && !authority.is_empty() && !authority.contains(['/', '?', '#', '@', ' '])
        });
        if is_origin {
            Ok(Self::One(normal(text).into()))
        } else {
            Err(format!("'{text}' is not an origin such as https://example.org, null or *"))
        }
    }
}

impl Origins {
    /// Whether a page of `origin` may ask the host that the request calls `host` (both as the fields say).
    /// Scheme and host are compared in any case. Its own host is one of the same name and port; of the
    /// scheme nothing is known behind a proxy that ends TLS.
    #[must_use]
    pub fn admit(&self, origin: &[u8], host: &[u8]) -> bool {
        let (Ok(origin), Ok(host)) = (std::str::from_utf8(origin), std::str::from_utf8(host)) else {
            return self.0.contains(&Listed::Any);
        };
        let origin = normal(origin);
        let is_own = origin.split_once("://").is_some_and(|(scheme, authority)| {
            default_port(scheme).is_some()
                && !authority.is_empty()
                && authority == without_default(scheme, &host.to_ascii_lowercase())
        });
        is_own
            || self.0.iter().any(|listed| match listed {
                Listed::Any => true,
                Listed::One(one) => **one == *origin,
            })
    }
}

/// In lower case, and without a port that goes without saying.
fn normal(origin: &str) -> String {
    let lower = origin.to_ascii_lowercase();
    match lower.split_once("://") {
        Some((scheme, authority)) => format!("{scheme}://{}", without_default(scheme, authority)),
        None => lower,
    }
}

fn without_default<'a>(scheme: &str, authority: &'a str) -> &'a str {
    default_port(scheme).and_then(|port| authority.strip_suffix(port)).unwrap_or(authority)
}

/// The port that needs no saying, with its colon. Pages come by these two schemes.
fn default_port(scheme: &str) -> Option<&'static str> {
    match scheme {
        "http" => Some(":80"),
        "https" => Some(":443"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_other_hosts_are_refused_unless_listed() {
        let listed: Origins = ["https://Example.org", "https://other:8443", "null"]
            .map(|text| text.parse().unwrap())
            .into_iter()
            .collect();
        for (origin, host, expected) in [
            ("http://h", "h", true),
            ("https://h", "h", true),
            ("http://H:80", "h", true),
            ("http://h", "h:80", true),
            ("https://h", "H:443", true),
            ("http://h:8080", "h:8080", true),
            ("http://[::1]:8080", "[::1]:8080", true),
            ("http://h:8080", "h", false),
            ("http://h", "h:8080", false),
            ("https://h", "h:80", false),
            ("http://evil", "h", false),
            ("http://h.evil", "h", false),
            ("http://evil#h", "h", false),
            ("http://", "", false),
            ("", "", false),
            ("h", "h", false),
            ("file://", "", false),
            ("chrome-extension://h", "h", false),
            ("https://example.org", "h", true),
            ("https://example.org:443", "h", true),
            ("http://example.org", "h", false),
            ("https://other:8443", "h", true),
            ("https://other", "h", false),
            ("null", "h", true),
        ] {
            assert_eq!(listed.admit(origin.as_bytes(), host.as_bytes()), expected, "{origin} at {host}");
        }
        assert!(!Origins::default().admit(b"null", b"h"));
        let any: Origins = [Listed::Any].into_iter().collect();
        assert!(any.admit(b"http://evil", b"h") && any.admit(b"\xff", b"h"));
        assert!(!listed.admit(b"\xff", b"\xff"));
    }

    #[test]
    fn what_is_no_origin_cannot_be_listed() {
        for text in
            ["", "example.org", "https://", "://h", "https://h/", "https://h/path", "https://u@h", "**"]
        {
            assert!(text.parse::<Listed>().is_err(), "{text}");
        }
    }
}
