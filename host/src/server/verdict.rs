//! The one place that turns the end of an exchange into what the client gets, what the log says,
//! and what becomes of the connection.

use crate::exchange::outbound::WriteFault;
use crate::exchange::{Broken, SourceError, SpoolFault};
use crate::plugin::{Failure, Limit};
use crate::websocket::close;

/// What is to be done with a broken exchange.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Verdict {
    /// Who is at fault.
    pub(super) guilty: Guilty,
    /// For the log, whole.
    pub(super) reason: String,
    /// The plugin's failure, if it is the guilty one.
    pub(super) failure: Option<Failure>,
    /// For the client, if the head is not out: status and one line. `None` when nobody listens.
    pub(super) answer: Option<(u16, String)>,
    /// What becomes of the connection if the head is out.
    pub(super) ending: Ending,
    /// For a WebSocket whose head is out: the code of the Close frame, if there is still somebody to
    /// read it.
    pub(super) close: u16,
    /// The one who runs the host can do something about it, and is told.
    pub(super) is_host_bound: bool,
}

/// Who ended an exchange.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Guilty {
    Client,
    Plugin,
}

/// How a connection ends that cannot go on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ending {
    /// What was emitted is delivered, then the stream ends without its proper end.
    Cut,
    /// Nobody is there: close.
    Close,
    /// The client does not read: what is unsent is thrown away.
    Reset,
}

/// Judges a broken exchange. `fault` is why writing ended, if it did.
pub(super) fn judge(broken: Broken, fault: Option<WriteFault>) -> Verdict {
    match broken {
        Broken::Plugin { failure, status } => {
            let line = match &failure {
                Failure::Rejected { .. } => "the plugin rejected the request".to_owned(),
                // The place in the code is the operator's business.
                Failure::Trap { reason, .. } => format!("the plugin failed: {reason}"),
                other => format!("the plugin failed: {other}"),
            };
            Verdict {
                guilty: Guilty::Plugin,
                reason: failure.to_string(),
                close: if is_too_much(&failure) { close::TOO_BIG } else { close::FAILED },
                failure: Some(failure),
                answer: Some((status, line)),
                ending: Ending::Cut,
                is_host_bound: false,
            }
        }
        Broken::Client(SourceError::Lost) => judge(Broken::Gone, fault),
        Broken::Client(SourceError::Unanswered) => gone(SourceError::Unanswered.to_string(), Ending::Close),
        Broken::Client(SourceError::Spool(fault)) | Broken::Spool(fault) => overfull(fault),
        Broken::Client(error) => {
            let status = if error == SourceError::Silent { 408 } else { 400 };
            Verdict {
                guilty: Guilty::Client,
                reason: error.to_string(),
                failure: None,
                answer: Some((status, error.to_string())),
                ending: Ending::Cut,
                close: close_code(error),
                is_host_bound: false,
            }
        }
        Broken::Full => full(),
        Broken::Gone => {
            let (reason, ending) = match fault {
                Some(WriteFault::Full) => return full(),
                Some(WriteFault::Stalled) => ("the client did not read for too long", Ending::Reset),
                Some(WriteFault::Broken) | None => ("the client is gone", Ending::Close),
            };
            gone(reason.to_owned(), ending)
        }
    }
}

/// Nobody is there to be told.
const fn gone(reason: String, ending: Ending) -> Verdict {
    Verdict {
        guilty: Guilty::Client,
        reason,
        failure: None,
        answer: None,
        ending,
        close: close::PROTOCOL,
        is_host_bound: false,
    }
}

/// Whether a plugin failed since more came than it may be handed.
const fn is_too_much(failure: &Failure) -> bool {
    matches!(failure, Failure::Beyond { limit: Limit::Received, .. })
}

/// What a client's fault is called in a Close frame (RFC 6455 section 7.4.1).
const fn close_code(error: SourceError) -> u16 {
    match error {
        SourceError::Violation(violation) => violation.code(),
        SourceError::Silent => close::POLICY,
        _ => close::PROTOCOL,
    }
}

/// The client does not read, and others need the room.
fn full() -> Verdict {
    let reason = "the client does not read, and the host holds as much for such clients as it may \
                  (--max-buffered)";
    gone(reason.to_owned(), Ending::Reset)
}

/// The client sends and does not read, and nothing more can be kept of it.
fn overfull(fault: SpoolFault) -> Verdict {
    Verdict { is_host_bound: true, ..gone(fault.to_string(), Ending::Reset) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::Deadline;
    use crate::websocket::decode::Violation;
    use std::time::Duration;

    #[test]
    fn the_guilty_party_is_named() {
        let deadline = Failure::Deadline(Deadline::CpuPerCall(Duration::from_millis(200)));
        let verdict = judge(Broken::Plugin { failure: deadline, status: 500 }, None);
        assert_eq!(verdict.guilty, Guilty::Plugin);
        assert_eq!((verdict.ending, verdict.close), (Ending::Cut, 1011));
        let line = "the plugin failed: cpu per call is beyond its limit of 200ms";
        assert_eq!(verdict.answer, Some((500, line.to_owned())));

        let rejected = Failure::Rejected { export: "on_open", answer: "-7".to_owned() };
        let verdict = judge(Broken::Plugin { failure: rejected, status: 403 }, None);
        assert_eq!(verdict.reason, "rejected: on_open returned -7");
        assert_eq!(verdict.answer, Some((403, "the plugin rejected the request".to_owned())));

        let limit = Limit::Received;
        let beyond = Failure::Beyond { limit, bound: "1 byte".to_owned() };
        assert_eq!(judge(Broken::Plugin { failure: beyond, status: 413 }, None).close, 1009);
        let violation = Broken::Client(SourceError::Violation(Violation::Text));
        assert_eq!(judge(violation, None).close, 1007);
        assert_eq!(judge(Broken::Client(SourceError::Unanswered), None).ending, Ending::Close);

        let verdict = judge(Broken::Client(SourceError::Silent), None);
        assert_eq!(verdict.answer.map(|(status, _)| status), Some(408));
        assert_eq!(judge(Broken::Gone, Some(WriteFault::Stalled)).ending, Ending::Reset);
        assert_eq!(judge(Broken::Gone, None).ending, Ending::Close);

        let verdict = judge(Broken::Spool(SpoolFault::Exchange(1 << 30)), None);
        assert_eq!((verdict.ending, verdict.is_host_bound), (Ending::Reset, true));
        let reason = "the client sends and does not read, and its spool is full: 1GiB (--spool)";
        assert_eq!(verdict.reason, reason);
    }
}
