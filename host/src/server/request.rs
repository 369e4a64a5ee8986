//! What a plugin may ask about its request.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::http::head::RequestHead;
use crate::plugin::Request;

/// A request head as plugins see it.
pub(super) struct RequestView {
    pub(super) head: Arc<RequestHead>,
    pub(super) peer: SocketAddr,
    pub(super) plugin: Box<str>,
}

impl Request for RequestView {
    fn field(&self, name: &[u8]) -> Option<Cow<'_, [u8]>> {
        if let Some(pseudo) = name.strip_prefix(b":") {
            return self.pseudo(pseudo);
        }
        let mut values = self.head.values(name);
        let first = values.next()?;
        let mut joined = Cow::Borrowed(first);
        for value in values {
            joined.to_mut().extend_from_slice(b", ");
            joined.to_mut().extend_from_slice(value);
        }
        // The borrow of `name` ends here; the bytes are the head's.
        Some(match joined {
            Cow::Borrowed(_) => Cow::Owned(first.to_vec()),
            Cow::Owned(bytes) => Cow::Owned(bytes),
        })
    }
}

impl RequestView {
    fn pseudo(&self, name: &[u8]) -> Option<Cow<'_, [u8]>> {
        let text = |text: &'static str| Cow::Borrowed(text.as_bytes());
        Some(match name.to_ascii_lowercase().as_slice() {
            b"method" => text(self.head.method().as_str()),
            b"version" => text(self.head.version().as_str()),
            b"path" => Cow::Borrowed(self.head.path().as_bytes()),
            b"query" => Cow::Borrowed(self.head.query()?),
            b"peer" => Cow::Owned(self.peer.to_string().into_bytes()),
            b"plugin" => Cow::Borrowed(self.plugin.as_bytes()),
            _ => return None,
        })
    }
}
