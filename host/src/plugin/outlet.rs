//! What an instance needs from the outside: a place for its output, and facts of the request.

use std::borrow::Cow;
use std::task::{Context, Poll};

use tokio::time::Instant;

/// Where emitted bytes go: a socket, standard output, or the next instance of a chain.
///
/// The interface is a polled one, so that it costs no allocation per emit and can stand behind a
/// `Box<dyn Outlet>`.
pub trait Outlet: Send {
    /// Sends the response head. Called once at the most, before the first byte is offered.
    ///
    /// # Errors
    ///
    /// [`OutletError::Gone`] when nobody is there to receive it.
    fn begin(&mut self, response: &Response) -> Result<(), OutletError>;

    /// Asks for the body where the other side waits to be asked. Called when `on_open` holds the
    /// head; otherwise [`Outlet::begin`] implies it.
    fn invite(&mut self) {}

    /// Takes bytes from the front of `bytes` without waiting and says how many; 0 means that there
    /// is no room until [`Outlet::poll_flush`] is ready.
    ///
    /// # Errors
    ///
    /// See [`OutletError`].
    fn offer(&mut self, bytes: &[u8]) -> Result<usize, OutletError>;

    /// Pushes on what was offered; ready when all of it has left.
    ///
    /// # Errors
    ///
    /// See [`OutletError`].
    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), OutletError>>;

    /// Since when those who receive take nothing, while something is there for them. `None` while it
    /// leaves, or where that cannot be known.
    fn stalled_since(&self) -> Option<Instant> {
        None
    }

    /// Whether what is offered goes nowhere from here to the end: a response without a body, whose
    /// head is out. Nobody waits for more of it then.
    fn is_mute(&self) -> bool {
        false
    }

    /// Whether the head is what the other side waits for before it sends a byte of the body. It cannot be
    /// held then.
    fn is_awaited(&self) -> bool {
        false
    }

    /// Whether a response field with this name and value may be set.
    fn accepts_field(&self, name: &[u8], value: &[u8]) -> bool;
}

/// Why an outlet takes no more bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OutletError {
    /// Nobody receives any more: the client left, or did not read for too long.
    Gone,
    /// The plugin's own `content-length` is used up.
    BeyondLength(u64),
}

/// What a plugin may ask about the request.
pub trait Request: Send + Sync {
    /// The value of the field `name` (any case), several of that name joined with `", "`; or of a
    /// pseudo field: `:method :path :query :version :peer :plugin`.
    fn field(&self, name: &[u8]) -> Option<Cow<'_, [u8]>>;
}

/// There is no request: only the plugin's name is known.
#[derive(Clone, Debug)]
pub struct NoRequest(pub Box<str>);

impl Request for NoRequest {
    fn field(&self, name: &[u8]) -> Option<Cow<'_, [u8]>> {
        name.eq_ignore_ascii_case(b":plugin").then_some(Cow::Borrowed(self.0.as_bytes()))
    }
}

/// The most fields that a plugin may set: as many as anybody sends, and a bound for the head.
const MAX_RESPONSE_FIELDS: usize = 64;

/// The most bytes of names and values that a plugin may set.
const MAX_RESPONSE_BYTES: usize = 16 * 1024;

/// A name and its value.
type Field = (Box<[u8]>, Box<[u8]>);

/// The response head as the plugin wants it.
#[derive(Clone, Debug)]
pub struct Response {
    status: u16,
    fields: Vec<Field>,
    begun: bool,
}

impl Default for Response {
    fn default() -> Self {
        Self { status: 200, fields: Vec::new(), begun: false }
    }
}

impl Response {
    /// A head with this status and these fields; what is beyond the bounds of a head is left out.
    #[must_use]
    pub fn shaped<'a>(status: u16, fields: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> Self {
        let mut response = Self::default();
        response.set_status(status.into());
        for (name, value) in fields {
            response.set_field(name, value);
        }
        response
    }

    /// 200 to 599.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// The status for an exchange that the plugin rejected before the head was out: the 4xx or 5xx
    /// that it set, otherwise 500.
    #[must_use]
    pub const fn rejection_status(&self) -> u16 {
        if self.status >= 400 { self.status } else { 500 }
    }

    /// Whether the head is on its way; nothing can be changed any more.
    #[must_use]
    pub const fn has_begun(&self) -> bool {
        self.begun
    }

    /// What the next stage of a chain takes over: status and fields, but not the length of a body
    /// that is about to be changed.
    #[must_use]
    pub fn inherited(&self) -> Self {
        let mut response = Self { begun: false, ..self.clone() };
        response.fields.retain(|(name, _)| !name.eq_ignore_ascii_case(b"content-length"));
        response
    }

    /// Notes that the head is on its way.
    pub(super) const fn set_begun(&mut self) {
        self.begun = true;
    }

    /// Names and values, in the order they were set.
    pub fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.fields.iter().map(|(name, value)| (&**name, &**value))
    }

    /// The value of the field `name` (any case), the first one if there are several.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        self.fields().find(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }

    /// Sets the status; false once the head is out, or outside of 200 to 599.
    pub(super) fn set_status(&mut self, code: i32) -> bool {
        match u16::try_from(code) {
            Ok(status @ 200..=599) if !self.begun => {
                self.status = status;
                true
            }
            _ => false,
        }
    }

    /// Sets a field in place of an earlier one of that name. `set-cookie` alone adds: it is the
    /// one field that cannot be joined into a list (RFC 9110 section 5.3). False once the head is
    /// out or a bound is reached.
    pub(super) fn set_field(&mut self, name: &[u8], value: &[u8]) -> bool {
        if self.begun {
            return false;
        }
        let adds = name.eq_ignore_ascii_case(b"set-cookie");
        let stays = |field: &Field| adds || !field.0.eq_ignore_ascii_case(name);
        let (mut count, mut bytes) = (1, name.len() + value.len());
        for field in self.fields.iter().filter(|field| stays(field)) {
            count += 1;
            bytes += field.0.len() + field.1.len();
        }
        let fits = count <= MAX_RESPONSE_FIELDS && bytes <= MAX_RESPONSE_BYTES;
        if fits {
            self.fields.retain(stays);
            self.fields.push((name.into(), value.into()));
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_replace_and_cookies_add() {
        let mut response = Response::default();
        for (name, value) in [("a", "1"), ("Set-Cookie", "x"), ("A", "2"), ("set-cookie", "y")] {
            assert!(response.set_field(name.as_bytes(), value.as_bytes()));
        }
        let values: Vec<_> = response.fields().map(|(_, value)| value.to_vec()).collect();
        assert_eq!(values, [b"x", b"2", b"y"]);
        assert_eq!(response.field("a"), Some(&b"2"[..]));
    }

    #[test]
    fn bounds_hold() {
        let mut response = Response::default();
        assert!(response.set_field(b"a", b"kept"));
        assert!(!response.set_field(b"a", &[b'x'; MAX_RESPONSE_BYTES]));
        assert_eq!(response.field("a"), Some(&b"kept"[..]));
        for index in 1..MAX_RESPONSE_FIELDS {
            assert!(response.set_field(format!("f{index}").as_bytes(), b""));
        }
        assert!(!response.set_field(b"more", b""));
        assert!(!response.set_status(199) && !response.set_status(600) && !response.set_status(-1));
        assert!(response.set_status(204));
        response.set_begun();
        assert!(!response.set_status(200) && !response.set_field(b"f1", b"x"));
        assert_eq!(response.status(), 204);
    }
}
