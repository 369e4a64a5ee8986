//! The one place that turns the end of an exchange into what the client gets, what the log says,
//! and what becomes of the connection.

use crate::exchange::outbound::WriteFault;
use crate::exchange::{Broken, SourceError};
use crate::plugin::Failure;

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
                failure: Some(failure),
                answer: Some((status, line)),
                ending: Ending::Cut,
            }
        }
        Broken::Client(SourceError::Lost) => judge(Broken::Gone, fault),
        Broken::Client(error) => {
            let status = if error == SourceError::Silent { 408 } else { 400 };
            Verdict {
                guilty: Guilty::Client,
                reason: error.to_string(),
                failure: None,
                answer: Some((status, error.to_string())),
                ending: Ending::Cut,
            }
        }
        Broken::Full => full(),
        Broken::Gone => {
            let (reason, ending) = match fault {
                Some(WriteFault::Full) => return full(),
                Some(WriteFault::Stalled) => ("the client did not read for too long", Ending::Reset),
                Some(WriteFault::Broken) | None => ("the client is gone", Ending::Close),
            };
            Verdict { guilty: Guilty::Client, reason: reason.to_owned(), failure: None, answer: None, ending }
        }
    }
}

/// The client does not read, and others need the room.
fn full() -> Verdict {
    let reason = "the client does not read, and the host holds as much for such clients as it may \
                  (--max-buffered)";
    Verdict {
        guilty: Guilty::Client,
        reason: reason.to_owned(),
        failure: None,
        answer: None,
        ending: Ending::Reset,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::Deadline;
    use std::time::Duration;

    #[test]
    fn the_guilty_party_is_named() {
        let deadline = Failure::Deadline(Deadline::CpuPerCall(Duration::from_millis(200)));
        let verdict = judge(Broken::Plugin { failure: deadline, status: 500 }, None);
        assert_eq!(verdict.guilty, Guilty::Plugin);
        assert_eq!(verdict.ending, Ending::Cut);
        let line = "the plugin failed: cpu per call is beyond its limit of 200ms";
        assert_eq!(verdict.answer, Some((500, line.to_owned())));

        let rejected = Failure::Rejected { export: "on_open", answer: "-7".to_owned() };
        let verdict = judge(Broken::Plugin { failure: rejected, status: 403 }, None);
        assert_eq!(verdict.reason, "rejected: on_open returned -7");
        assert_eq!(verdict.answer, Some((403, "the plugin rejected the request".to_owned())));

        let verdict = judge(Broken::Client(SourceError::Silent), None);
        assert_eq!(verdict.answer.map(|(status, _)| status), Some(408));
        assert_eq!(judge(Broken::Gone, Some(WriteFault::Stalled)).ending, Ending::Reset);
        assert_eq!(judge(Broken::Gone, None).ending, Ending::Close);
    }
}
