//! Calls into wasm within their budgets: what all kinds of plugin have in common.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use wasmtime::{Store, UpdateDeadline};

use super::failure::{CallError, Deadline, Failure, classify};
use super::instance::Wiring;
use super::meter::{Meter, thread_cpu};
use super::module::Plugin;
use super::state::{Refused, State};
use super::ticker::Ticker;
use super::usage::Tally;

/// How soon a call that waits in `emit` is looked at again, at the least.
const MIN_RECHECK: Duration = Duration::from_millis(10);

/// What a call needs to know of time, outside of the store that the call borrows.
pub(super) struct CallBudget {
    ticker: Arc<Ticker>,
    pub(super) tally: Tally,
    cpu_per_call: Duration,
    time_per_call: Duration,
}

/// How a call came back.
#[derive(Clone, Copy)]
pub(super) enum Came<T> {
    Back(T),
    /// `proc_exit(0)`.
    Exited,
}

/// A store for one instance, and the budgets of its calls.
pub(super) fn store(plugin: &Arc<Plugin>, wiring: Wiring) -> (Store<State>, CallBudget) {
    let state = State::new(Arc::clone(plugin), wiring);
    let budget = CallBudget {
        ticker: Arc::clone(&state.ticker),
        tally: state.tally.clone(),
        cpu_per_call: plugin.limits.cpu_per_call,
        time_per_call: plugin.limits.time_per_call,
    };
    let mut store = Store::new(plugin.code().engine(), state);
    store.limiter_async(|state| state);
    store.epoch_deadline_callback(|mut context| {
        context.data_mut().charge()?;
        Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
    });
    (store, budget)
}

/// Gives the next call in `store` its budgets.
pub(super) fn begin(store: &mut Store<State>) {
    store.set_epoch_deadline(1);
    store.data_mut().begin_call();
}

/// What a call's outcome means.
///
/// # Errors
///
/// [`CallError`] with all that the host knows of the reason.
pub(super) fn settle<T>(outcome: wasmtime::Result<T>, state: &State) -> Result<Came<T>, CallError> {
    match outcome {
        Ok(value) => Ok(Came::Back(value)),
        Err(error) => match classify(&error) {
            Ok(()) => Ok(Came::Exited),
            Err(error) => Err(explain(error, state)),
        },
    }
}

/// A failure of the instance that no wasm threw.
pub(super) fn failed(reason: impl Into<String>) -> CallError {
    CallError::Failed(Failure::trap(reason))
}

/// Adds what led to a trap, where the host knows it.
fn explain(error: CallError, state: &State) -> CallError {
    match (error, state.refused()) {
        (CallError::Failed(Failure::Trap { reason, backtrace, .. }), Some(refused)) => {
            let (what, limit) = match refused {
                Refused::Memory(limit) => {
                    let bound = state.tally.memory_bound(limit);
                    (format!("memory beyond its limit of {bound} bytes ({limit})"), Some(limit))
                }
                Refused::Table => ("table growth beyond its limit".to_owned(), None),
            };
            let reason = format!("{reason}, after {what} was refused");
            CallError::Failed(Failure::Trap { reason, backtrace, limit })
        }
        (error, _) => error,
    }
}

impl CallBudget {
    /// The times of the present call.
    pub(super) fn meter(&self) -> &Meter {
        &self.tally.usage().meter
    }

    /// Drives `call` within its budgets, and counts it.
    ///
    /// # Errors
    ///
    /// [`CallError::Failed`] when a budget is used up; what the call itself says is its output.
    pub(super) async fn run<F: Future>(&self, call: Pin<&mut F>) -> Result<F::Output, CallError> {
        let (began, waited) = (Instant::now(), self.meter().waited());
        let output = self.bound(call).await?;
        let waited = self.meter().waited().saturating_sub(waited);
        self.tally.usage().called(began.elapsed().saturating_sub(waited));
        Ok(output)
    }

    /// Drives `call` for at most the wall time of a call, time in `emit` not counted. Only a call
    /// that does not end at its first poll costs a timer.
    ///
    /// # Errors
    ///
    /// See [`CallBudget::run`].
    pub(super) async fn bound<F: Future>(&self, mut call: Pin<&mut F>) -> Result<F::Output, CallError> {
        let mut alarm = None;
        poll_fn(|context| {
            if alarm.is_some() {
                self.meter().resume();
                // It may have been suspended for so long that the ticker rests.
                self.ticker.touch();
            }
            if let Poll::Ready(output) = self.poll_counted(call.as_mut(), context)? {
                return Poll::Ready(Ok(output));
            }
            // A call that is suspended before every tick is charged here.
            if self.meter().suspend() > self.cpu_per_call {
                let deadline = Deadline::CpuPerCall(self.cpu_per_call);
                return Poll::Ready(Err(CallError::Failed(Failure::Deadline(deadline))));
            }
            let (started, before, sleep) = alarm.get_or_insert_with(|| {
                let now = Instant::now();
                (now, self.meter().waited(), Box::pin(sleep_until(now + self.time_per_call)))
            });
            while sleep.as_mut().poll(context).is_ready() {
                let waited = self.meter().waited().saturating_sub(*before);
                let due = *started + self.time_per_call + waited;
                let now = Instant::now();
                if due <= now {
                    let deadline = Deadline::TimePerCall(self.time_per_call);
                    return Poll::Ready(Err(CallError::Failed(Failure::Deadline(deadline))));
                }
                sleep.as_mut().reset(due.max(now + MIN_RECHECK));
            }
            Poll::Pending
        })
        .await
    }

    /// Polls a call, and takes its processor time off the exchange's budget where there is one.
    fn poll_counted<F: Future>(
        &self,
        call: Pin<&mut F>,
        context: &mut Context<'_>,
    ) -> Result<Poll<F::Output>, CallError> {
        if !self.tally.account().counts_cpu() {
            return Ok(call.poll(context));
        }
        let before = thread_cpu();
        let polled = call.poll(context);
        let spent = thread_cpu().saturating_sub(before);
        self.tally.account().spend_cpu(spent).map_err(CallError::Failed)?;
        Ok(polled)
    }
}
