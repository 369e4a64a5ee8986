//! The response head, typed.

use core::{error::Error, fmt};

use crate::{End, Level, Next, Open, log, response_field, response_status};

/// The response head, set part by part; [`done`](Response::done) says whether the host
/// has taken all of it.
///
/// ```
/// use wasmplex_plugin::{Next, Open, Plugin, Response};
///
/// #[derive(Default)]
/// struct Events;
///
/// impl Plugin for Events {
///     fn on_open(&mut self) -> Open {
///         let head = Response::new()
///             .status(202)
///             .content_type("text/event-stream")
///             .field("cache-control", "no-store");
///         match head.done() {
///             Ok(()) => Open::GoOn,
///             Err(refused) => Open::rejected(500, refused.name()),
///         }
///     }
/// #   fn on_chunk(&mut self, _: &mut [u8]) -> Next {
/// #       Next::GoOn
/// #   }
/// }
/// # let outcome = wasmplex_plugin::testing::run::<Events>(&[]);
/// # assert_eq!((outcome.status, outcome.fields.len()), (202, 2));
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[must_use = "done() says whether the host has taken it"]
pub struct Response<'n> {
    refused: Option<Refused<'n>>,
}

impl<'n> Response<'n> {
    /// The head as it is so far: status 200, and what an earlier stage of a pipe and the
    /// manifest have set.
    pub const fn new() -> Self {
        Self { refused: None }
    }

    /// Sets the status, 200 to 599.
    pub fn status(self, code: u16) -> Self {
        self.and(Refused::Status(code), || response_status(code).is_ok())
    }

    /// Sets a field, in place of an earlier one of that name (`set-cookie` adds).
    pub fn field(self, name: &'n str, value: impl AsRef<[u8]>) -> Self {
        self.and(Refused::Field(name), || response_field(name, value).is_ok())
    }

    /// Sets the field `content-type`.
    pub fn content_type(self, value: impl AsRef<[u8]>) -> Self {
        self.field("content-type", value)
    }

    /// Whether all of it was taken.
    ///
    /// # Errors
    ///
    /// [`Refused`], with the first part that the host has not taken, for the reasons that
    /// [`response_status`] and [`response_field`] tell. The parts around it are set.
    pub fn done(self) -> Result<(), Refused<'n>> {
        self.refused.map_or(Ok(()), Err)
    }

    fn and(self, part: Refused<'n>, set: impl FnOnce() -> bool) -> Self {
        let is_taken = set();
        Self { refused: self.refused.or((!is_taken).then_some(part)) }
    }
}

/// The part of a response head that the host has not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refused<'n> {
    /// This status: not 200 to 599, or the head is out already.
    Status(u16),
    /// The field of this name: invalid, the host's own, too much, or the head is out.
    Field(&'n str),
}

impl<'n> Refused<'n> {
    /// The field's name, or `status`.
    #[must_use]
    pub const fn name(&self) -> &'n str {
        match self {
            Self::Status(_) => "status",
            Self::Field(name) => name,
        }
    }
}

impl fmt::Display for Refused<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(code) => write!(f, "the host does not take the status {code}"),
            Self::Field(name) => write!(f, "the host does not take the response field {name}"),
        }
    }
}

impl Error for Refused<'_> {}

impl Open {
    /// Fails the exchange with this status, 400 to 599, and has the reason in the log as
    /// a warning.
    #[must_use]
    pub fn rejected(status: u16, reason: &str) -> Self {
        refuse(status, reason);
        Self::Reject
    }
}

impl Next {
    /// As [`Open::rejected`]. Once the head is out the status says nothing: the client
    /// sees a cut connection.
    #[must_use]
    pub fn rejected(status: u16, reason: &str) -> Self {
        refuse(status, reason);
        Self::Reject
    }
}

impl End {
    /// As [`Next::rejected`].
    #[must_use]
    pub fn rejected(status: u16, reason: &str) -> Self {
        refuse(status, reason);
        Self::Reject
    }
}

fn refuse(status: u16, reason: &str) {
    log(Level::Warn, reason);
    // Refused only if it has no more meaning: the head is out.
    let _ = response_status(status);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emit;
    use crate::testing::Request;

    #[test]
    fn the_first_part_that_is_refused() {
        let outcome = Request::new().collect(|| {
            let fine = Response::new().status(201).content_type("text/css").field("x", "y");
            assert_eq!(fine.done(), Ok(()));
            let head = Response::new().field("a", "1").status(99).field("b c", "2").field("d", "3");
            assert_eq!(head.done(), Err(Refused::Status(99)));
            assert_eq!(Response::new().field("date", "now").done(), Err(Refused::Field("date")));
        });
        assert_eq!(outcome.status, 201);
        let names: Vec<&str> = outcome.fields.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["content-type", "x", "a", "d"]);
    }

    #[test]
    fn rejections_set_the_status_and_log_the_reason() {
        let outcome = Request::new().collect(|| {
            assert_eq!(Open::rejected(415, "why"), Open::Reject);
            assert_eq!(Next::rejected(400, "so"), Next::Reject);
            emit(b"x");
            assert_eq!(End::rejected(500, "late"), End::Reject);
        });
        assert_eq!(outcome.status, 400);
        let lines: Vec<&str> = outcome.logs.iter().map(|(_, line)| line.as_str()).collect();
        assert_eq!(lines, ["why", "so", "late"]);
    }
}
