//! Where an exchange comes from.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::http::head::RequestHead;
use crate::http::trace::trace_id;

/// The most characters of a path in logs and views: what is beyond is the client's to know.
const MAX_PATH: usize = 256;

/// Who asked for an exchange, how, and for what.
#[derive(Clone, Debug)]
pub struct Origin {
    pub peer: Peer,
    pub way: Way,
    /// The request's head; none on a raw connection.
    pub head: Option<Arc<RequestHead>>,
}

/// How an exchange's bytes come and go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Way {
    /// The bodies of an HTTP request and its response.
    Http,
    /// The bytes of a connection that began with an HTTP request.
    Upgrade,
    /// The messages of a WebSocket.
    WebSocket,
    /// The bytes of a connection.
    Tcp,
}

/// Where a client comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Peer {
    /// Its address and port.
    Ip(SocketAddr),
    /// A process of the same machine, over a Unix socket.
    Unix,
}

impl Origin {
    /// The trace that the request belongs to, if it says so in a valid way.
    #[must_use]
    pub fn trace_id(&self) -> Option<&str> {
        let mut values = self.head.as_ref()?.values(b"traceparent");
        let value = values.next()?;
        if values.next().is_some() { None } else { trace_id(value) }
    }

    /// The request's method.
    #[must_use]
    pub fn method(&self) -> Option<&'static str> {
        self.head.as_ref().map(|head| head.method().as_str())
    }

    /// The request's path, cut where it is too long to be shown. Paths are ASCII without control
    /// characters.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        let path = self.head.as_ref()?.path();
        Some(path.get(..MAX_PATH).unwrap_or(path))
    }
}

impl Way {
    /// For logs and views.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Upgrade => "upgrade",
            Self::WebSocket => "websocket",
            Self::Tcp => "tcp",
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Unix => f.write_str("unix"),
        }
    }
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Self {
        Self::Ip(address)
    }
}
