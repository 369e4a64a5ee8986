//! An instance of a command: a WASI program whose standard input is the body and whose standard output
//! is the response.
//!
//! Its `_start` is one call that lasts as long as the exchange, driven as a coroutine: it runs until
//! it wants input that is not there, or sleeps ([`Stdin::ask`]), and goes on where it was when the exchange
//! has what it asked for. What lies between is what a call is for other plugins, with the budgets of one.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tokio::time::Instant;
use wasmtime::{InstancePre, Store};

use super::abi::{Next, Opened};
use super::calls::{self, CallBudget, Came, failed};
use super::check::CommandExports;
use super::core_module::{find_memory, instantiate};
use super::failure::CallError;
use super::state::State;
use super::stdin::Stdin;
use super::usage::Tally;

/// The program's call, and the store back at its end.
type Call = dyn Future<Output = (wasmtime::Result<()>, Store<State>)> + Send;

/// A live instance.
pub(super) struct Command {
    program: Program,
    stdin: Arc<Stdin>,
    /// The program was told to let the response head go. (It may have done so by writing before.)
    has_begun: bool,
    /// It came back only to look for input: its call is not over.
    looked: bool,
    budget: CallBudget,
}

enum Program {
    Running(Pin<Box<Call>>),
    Ended(Store<State>),
}

/// Why a program came back.
enum Pause {
    /// It waits: [`Stdin::asks`] says what for.
    Asks,
    /// It has ended, well.
    Ended,
}

impl Command {
    /// Makes the instance. Nothing of the program runs yet.
    pub(super) async fn start(
        pre: &InstancePre<State>,
        exports: &CommandExports,
        (mut store, budget): (Store<State>, CallBudget),
    ) -> Result<Self, CallError> {
        let instance = instantiate(pre, &mut store, &budget).await?;
        // Not before: a start function that reads would wait for ever.
        let stdin = Arc::new(Stdin::default());
        store.data_mut().stdin = Some(Arc::clone(&stdin));
        find_memory(instance, &mut store, &exports.memory)?;
        let start = instance
            .get_module_export(&mut store, &exports.start)
            .and_then(wasmtime::Extern::into_func)
            .ok_or_else(|| failed("_start is missing"))?;
        let start = start.typed::<(), ()>(&store).map_err(|error| failed(error.to_string()))?;
        let call = Box::pin(async move {
            calls::begin(&mut store);
            let outcome = start.call_async(&mut store, ()).await;
            (outcome, store)
        });
        Ok(Self { program: Program::Running(call), stdin, has_begun: false, looked: false, budget })
    }

    pub(super) const fn tally(&self) -> &Tally {
        &self.budget.tally
    }

    /// Lets the response head go. A program in the middle of its call does it itself, without a step
    /// further.
    pub(super) fn begin_response(&mut self) -> Result<(), CallError> {
        let call = match &mut self.program {
            Program::Running(call) => call,
            Program::Ended(store) => return Ok(store.data_mut().begin_response()?),
        };
        if std::mem::replace(&mut self.has_begun, true) {
            return Ok(());
        }
        self.stdin.begin();
        match call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => Ok(()),
            // Nobody is there to receive it.
            Poll::Ready((outcome, store)) => {
                let settled = calls::settle(outcome, store.data());
                self.program = Program::Ended(store);
                settled.map(drop)
            }
        }
    }

    /// Whether the head has to go now that the program waits.
    pub(super) const fn holds_head(&self) -> bool {
        matches!(self.program, Program::Running(_)) && !self.has_begun
    }

    pub(super) fn wants_input(&self) -> bool {
        self.stdin.asks().is_some_and(|asks| asks.input)
    }

    /// When its sleep is over.
    pub(super) fn timer(&self) -> Option<Instant> {
        self.stdin.asks().and_then(|asks| asks.until)
    }

    pub(super) fn with_input<R>(&self, put: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        self.stdin.put(put)
    }

    /// Runs until it first waits. The head is held: what it waits for may have arrived already, and it may
    /// end with another status then.
    pub(super) async fn open(&mut self) -> Result<Opened, CallError> {
        Ok(match self.resume().await? {
            Pause::Asks => Opened::Hold,
            Pause::Ended => Opened::Finish,
        })
    }

    /// Runs with what it has been given until it waits again.
    pub(super) async fn go_on(&mut self) -> Result<Next, CallError> {
        Ok(match self.resume().await? {
            Pause::Asks => Next::GoOn,
            Pause::Ended => Next::Finish,
        })
    }

    /// Its sleep is over.
    pub(super) async fn wake(&mut self) -> Result<Next, CallError> {
        self.stdin.wake();
        self.go_on().await
    }

    /// Standard input is at its end. A program that then sleeps is to be woken, and else has ended.
    pub(super) async fn end(&mut self) -> Result<(), CallError> {
        self.stdin.end();
        self.resume().await.map(drop)
    }

    async fn resume(&mut self) -> Result<Pause, CallError> {
        let Self { program, stdin, budget, looked, .. } = self;
        let Program::Running(call) = program else {
            return Ok(Pause::Ended);
        };
        if *looked {
            // The call goes on, perhaps on another thread.
            budget.meter().resume();
        }
        let paused = poll_fn(|context| match call.as_mut().poll(context) {
            Poll::Ready(ended) => Poll::Ready(Some(ended)),
            Poll::Pending if stdin.asks().is_some() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        });
        let ended = budget.run(pin!(paused)).await?;
        *looked = stdin.asks().is_some_and(|asks| asks.is_look);
        if *looked {
            budget.meter().suspend();
        }
        let Some((outcome, store)) = ended else {
            return Ok(Pause::Asks);
        };
        let settled = calls::settle(outcome, store.data());
        *program = Program::Ended(store);
        match settled? {
            Came::Back(()) | Came::Exited => Ok(Pause::Ended),
        }
    }
}
