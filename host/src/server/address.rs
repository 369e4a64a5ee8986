//! Addresses to listen on, as people write them.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use crate::registry::is_name;

/// What a listener is bound to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Endpoint {
    Tcp(SocketAddr),
    /// A socket in the file system.
    Unix(PathBuf),
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// An address to serve HTTP on: `127.0.0.1:8080`, `http://…`, `https://…` or `unix:PATH`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListenAddress {
    pub endpoint: Endpoint,
    /// Whether TLS is spoken; `None` where that depends on whether there is a certificate.
    pub tls: Option<bool>,
}

impl FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return Ok(Self { endpoint: unix(path)?, tls: Some(false) });
        }
        let (tls, rest) = match text.split_once("://") {
            None => (None, text),
            Some(("http", rest)) => (Some(false), rest),
            Some(("https", rest)) => (Some(true), rest),
            Some((scheme, _)) => return Err(format!("'{scheme}://' is neither http:// nor https://")),
        };
        Ok(Self { endpoint: tcp(rest)?, tls })
    }
}

/// An address whose connections go through plugins as they are: `ADDR=PLUGIN[+PLUGIN]`, with
/// `tls://ADDR` or `unix:PATH` as other addresses.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RawAddress {
    pub endpoint: Endpoint,
    pub tls: bool,
    /// A plugin's name, or several joined by `+`.
    pub route: Box<str>,
}

impl FromStr for RawAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = "an address and a plugin, such as 127.0.0.1:9000=rot13";
        let (address, route) = text.rsplit_once('=').ok_or_else(|| format!("'{text}' is not {form}"))?;
        if let Some(name) = route.split('+').find(|name| !is_name(name)) {
            return Err(format!("'{name}' is not a plugin name; expected {form}"));
        }
        let route = route.into();
        if let Some(path) = address.strip_prefix("unix:") {
            return Ok(Self { endpoint: unix(path)?, tls: false, route });
        }
        let (tls, rest) = match address.split_once("://") {
            None => (false, address),
            Some(("tcp", rest)) => (false, rest),
            Some(("tls", rest)) => (true, rest),
            Some((scheme, _)) => return Err(format!("'{scheme}://' is neither tcp:// nor tls://")),
        };
        Ok(Self { endpoint: tcp(rest)?, tls, route })
    }
}

fn tcp(text: &str) -> Result<Endpoint, String> {
    let address = text.strip_suffix('/').unwrap_or(text).parse();
    let form = "an address with a port, such as 127.0.0.1:8080 or [::1]:8080, nor unix:PATH";
    address.map(Endpoint::Tcp).map_err(|_| format!("'{text}' is neither {form}"))
}

fn unix(path: &str) -> Result<Endpoint, String> {
    if path.is_empty() || path.ends_with('/') {
        return Err(
            "unix: must be followed by the path of a socket, such as unix:/run/wasmplex.sock".to_owned()
        );
    }
    Ok(Endpoint::Unix(path.into()))
}

/// The permission bits of a socket file, in octal, as `chmod` takes them.
///
/// # Errors
///
/// A line that says what was expected.
pub fn socket_mode(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode @ 0..=0o777) => Ok(mode),
        _ => Err(format!("'{text}' is not a file mode such as 660")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_to_serve_http_on() {
        let tcp = |text: &str| Endpoint::Tcp(text.parse().unwrap());
        for (text, endpoint, tls) in [
            ("127.0.0.1:80", tcp("127.0.0.1:80"), None),
            ("[::1]:80", tcp("[::1]:80"), None),
            ("http://127.0.0.1:80/", tcp("127.0.0.1:80"), Some(false)),
            ("https://[::]:0", tcp("[::]:0"), Some(true)),
            ("unix:a/b", Endpoint::Unix("a/b".into()), Some(false)),
        ] {
            assert_eq!(text.parse(), Ok(ListenAddress { endpoint, tls }), "{text}");
        }
        for text in ["", "8080", "localhost:80", "ftp://1.2.3.4:5", "unix:", "unix:/run/", "127.0.0.1"] {
            assert!(text.parse::<ListenAddress>().is_err(), "{text}");
        }
    }

    #[test]
    fn addresses_with_plugins() {
        let parsed: RawAddress = "tls://127.0.0.1:9=a+b.c".parse().unwrap();
        assert_eq!((&*parsed.route, parsed.tls), ("a+b.c", true));
        let parsed: RawAddress = "unix:/tmp/x=y=rot13".parse().unwrap();
        assert_eq!(parsed.endpoint, Endpoint::Unix("/tmp/x=y".into()));
        for text in [
            "",
            "127.0.0.1:9",
            "127.0.0.1:9=",
            "127.0.0.1:9=a+",
            "=a",
            "https://1.2.3.4:5=a",
            "127.0.0.1:9=../a",
        ] {
            assert!(text.parse::<RawAddress>().is_err(), "{text}");
        }
    }

    #[test]
    fn modes() {
        assert_eq!((socket_mode("660"), socket_mode("0600")), (Ok(0o660), Ok(0o600)));
        for text in ["", "rw", "888", "1777", "-1"] {
            assert!(socket_mode(text).is_err(), "{text}");
        }
    }
}
