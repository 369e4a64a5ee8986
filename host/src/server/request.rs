//! What a plugin may ask about its request.

use std::borrow::Cow;
use std::sync::Arc;

use crate::http::head::RequestHead;
use crate::metrics::{Origin, Peer};
use crate::plugin::{Plugin, Request};

/// A request as plugins see it; on a raw connection there is none, but the client and the plugin's
/// name are known.
pub(super) struct RequestView {
    head: Option<Arc<RequestHead>>,
    peer: Peer,
    plugin: Arc<Plugin>,
}

impl RequestView {
    pub(super) fn new(origin: &Origin, plugin: &Arc<Plugin>) -> Self {
        Self { head: origin.head.clone(), peer: origin.peer, plugin: Arc::clone(plugin) }
    }
}

impl Request for RequestView {
    fn field(&self, name: &[u8]) -> Option<Cow<'_, [u8]>> {
        if let Some(pseudo) = name.strip_prefix(b":") {
            return self.pseudo(pseudo);
        }
        let mut values = self.head.as_ref()?.values(name);
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
        let name = name.to_ascii_lowercase();
        match name.as_slice() {
            b"peer" => return Some(Cow::Owned(self.peer.to_string().into_bytes())),
            b"plugin" => return Some(Cow::Borrowed(self.plugin.name().as_bytes())),
            _ => {}
        }
        let head = self.head.as_ref()?;
        Some(match name.as_slice() {
            b"method" => text(head.method().as_str()),
            b"version" => text(head.version().as_str()),
            b"path" => Cow::Borrowed(head.path().as_bytes()),
            b"query" => Cow::Borrowed(head.query()?),
            _ => return None,
        })
    }
}
