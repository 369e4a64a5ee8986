//! One plugin running for one exchange.

use std::future::poll_fn;
use std::ops::Range;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use wasmtime::{
    Instance as WasmInstance, Memory, ModuleExport, Store, TypedFunc, UpdateDeadline, WasmParams,
};

use super::abi::{CHUNK_CAPACITY, Next, Opened, export};
use super::failure::{CallError, Deadline, Failure, classify};
use super::memory;
use super::module::Plugin;
use super::outlet::{Outlet, Request, Response};
use super::state::{Meter, Refused, State, thread_cpu};
use super::usage::Tally;
use super::wasi;

/// How soon a call that waits in `emit` is looked at again, at the least.
const MIN_RECHECK: Duration = Duration::from_millis(10);

/// What an instance is connected to.
pub struct Wiring {
    /// Where what it uses is written down.
    pub tally: Tally,
    /// Where emitted bytes go.
    pub outlet: Box<dyn Outlet>,
    /// What the plugin may ask about.
    pub request: Arc<dyn Request>,
    /// The response head so far, where a stage before this one has shaped it.
    pub inherited: Option<Response>,
}

/// A live instance. Dropping it, even in the middle of a call, gives everything back.
pub struct Instance {
    store: Store<State>,
    memory: Memory,
    /// Where the plugin takes its chunks: [`CHUNK_CAPACITY`] bytes.
    area: Range<usize>,
    on_chunk: Entry<(u32, u32)>,
    on_open: Option<Entry<()>>,
    on_end: Option<Entry<()>>,
    on_timer: Option<Entry<()>>,
    budget: CallBudget,
}

/// What a call needs to know of time, outside of the store that the call borrows.
struct CallBudget {
    meter: Arc<Meter>,
    tally: Tally,
    cpu_per_call: Duration,
    time_per_call: Duration,
}

/// An export that returns a code, or nothing, which counts as 0.
enum Entry<P> {
    Coded(TypedFunc<P, i32>),
    Silent(TypedFunc<P, ()>),
}

/// How a call came back.
#[derive(Clone, Copy)]
enum Came {
    Back(i32),
    /// `proc_exit(0)`.
    Exited,
}

impl Instance {
    /// Creates the instance and makes it ready for `on_open`: start function, `_initialize`,
    /// `chunk_buffer`.
    ///
    /// # Errors
    ///
    /// [`CallError`] when any of these fails.
    pub async fn start(plugin: &Arc<Plugin>, wiring: Wiring) -> Result<Self, CallError> {
        let began = Instant::now();
        let state = State::new(Arc::clone(plugin), wiring);
        let budget = CallBudget {
            meter: Arc::clone(&state.meter),
            tally: state.tally.clone(),
            cpu_per_call: plugin.limits.cpu_per_call,
            time_per_call: plugin.limits.time_per_call,
        };
        let mut store = Store::new(plugin.pre().module().engine(), state);
        store.limiter(|state| state);
        store.epoch_deadline_callback(|mut context| {
            context.data_mut().charge()?;
            Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
        });
        let instance = create(plugin, &mut store, &budget).await?;
        let instance = Self::wire(plugin, store, instance, budget).await?;
        let nanos = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        instance.tally().usage().started_in.add(nanos);
        Ok(instance)
    }

    /// Finds the exports of a fresh instance and runs those that come before `on_open`.
    async fn wire(
        plugin: &Plugin,
        mut store: Store<State>,
        instance: WasmInstance,
        budget: CallBudget,
    ) -> Result<Self, CallError> {
        let exports = plugin.exports();
        let memory = instance
            .get_module_export(&mut store, &exports.memory)
            .and_then(wasmtime::Extern::into_memory)
            .ok_or_else(|| failed("its memory is missing"))?;
        store.data_mut().memory = Some(memory);
        if let Some(initialize) = &exports.initialize {
            let initialize = entry::<()>(&mut store, instance, initialize)?;
            ready(initialize.call(&mut store, (), &budget).await?, export::INITIALIZE)?;
        }
        let chunk_buffer = entry::<u32>(&mut store, instance, &exports.chunk_buffer)?;
        let came = chunk_buffer.call(&mut store, CHUNK_CAPACITY as u32, &budget).await?;
        let area = chunk_area(&store, memory, ready(came, export::CHUNK_BUFFER)?)?;
        let mut optional = |place: &Option<ModuleExport>| match place {
            Some(place) => entry::<()>(&mut store, instance, place).map(Some),
            None => Ok(None),
        };
        let (on_open, on_end) = (optional(&exports.on_open)?, optional(&exports.on_end)?);
        let on_timer = optional(&exports.on_timer)?;
        let on_chunk = entry(&mut store, instance, &exports.on_chunk)?;
        Ok(Self { store, memory, area, on_chunk, on_open, on_end, on_timer, budget })
    }

    /// The plugin that this is an instance of.
    #[must_use]
    pub fn plugin(&self) -> &Arc<Plugin> {
        &self.store.data().plugin
    }

    /// Where what it uses is written down.
    #[must_use]
    pub const fn tally(&self) -> &Tally {
        &self.budget.tally
    }

    /// The response head as the plugin wants it so far.
    #[must_use]
    pub fn response(&self) -> &Response {
        &self.store.data().response
    }

    /// Lets the response head go if it has not gone yet.
    ///
    /// # Errors
    ///
    /// [`CallError::Gone`] when nobody is there to receive it.
    pub fn begin_response(&mut self) -> Result<(), CallError> {
        Ok(self.store.data_mut().begin_response()?)
    }

    /// Where the next chunk is to be put: [`CHUNK_CAPACITY`] bytes of the plugin's memory.
    pub fn area(&mut self) -> &mut [u8] {
        &mut self.memory.data_mut(&mut self.store)[self.area.clone()]
    }

    /// When `on_timer` is due, if a timer is set.
    #[must_use]
    pub fn timer(&self) -> Option<Instant> {
        self.store.data().timer
    }

    /// Cancels the timer.
    pub fn cancel_timer(&mut self) {
        self.store.data_mut().timer = None;
    }

    /// Calls `on_open`.
    ///
    /// # Errors
    ///
    /// [`CallError`], here and below, ends the exchange; the instance must not be called again.
    pub async fn open(&mut self) -> Result<Opened, CallError> {
        let Some(on_open) = &self.on_open else {
            return Ok(Opened::GoOn);
        };
        match on_open.call(&mut self.store, (), &self.budget).await? {
            Came::Exited => Ok(Opened::Finish),
            Came::Back(code) => decode(code, export::ON_OPEN, Opened::from_code),
        }
    }

    /// Calls `on_chunk` with the first `length` bytes of [`Instance::area`].
    ///
    /// # Errors
    ///
    /// See [`Instance::open`].
    pub async fn chunk(&mut self, length: usize) -> Result<Next, CallError> {
        debug_assert!(length <= CHUNK_CAPACITY);
        self.budget.tally.usage().chunks.add(1);
        let chunk = (self.area.start as u32, length as u32);
        let came = self.on_chunk.call(&mut self.store, chunk, &self.budget).await?;
        next(came, export::ON_CHUNK)
    }

    /// Calls `on_end`: the body is complete.
    ///
    /// # Errors
    ///
    /// See [`Instance::open`].
    pub async fn end(&mut self) -> Result<(), CallError> {
        let Some(on_end) = &self.on_end else {
            return Ok(());
        };
        next(on_end.call(&mut self.store, (), &self.budget).await?, export::ON_END).map(drop)
    }

    /// Calls `on_timer`: the timer has fired, and is no longer set.
    ///
    /// # Errors
    ///
    /// See [`Instance::open`].
    pub async fn fire_timer(&mut self) -> Result<Next, CallError> {
        self.cancel_timer();
        let Some(on_timer) = &self.on_timer else {
            return Ok(Next::GoOn);
        };
        next(on_timer.call(&mut self.store, (), &self.budget).await?, export::ON_TIMER)
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // A last line beyond the limit of lines is dropped: there is no call to fail any more.
        let _ = wasi::flush_stderr(self.store.data_mut());
        self.budget.tally.release_memory();
    }
}

async fn create(
    plugin: &Plugin,
    store: &mut Store<State>,
    budget: &CallBudget,
) -> Result<WasmInstance, CallError> {
    store.set_epoch_deadline(1);
    store.data_mut().begin_call();
    let outcome = budget.bound(pin!(plugin.pre().instantiate_async(&mut *store))).await?;
    outcome.map_err(|error| match classify(&error) {
        Ok(()) => failed("it exited before it was ready"),
        Err(error) => explain(error, store.data()),
    })
}

/// The region that `chunk_buffer` named.
fn chunk_area(store: &Store<State>, memory: Memory, pointer: i32) -> Result<Range<usize>, CallError> {
    let pointer = pointer.cast_unsigned();
    if pointer == 0 {
        return Err(failed("chunk_buffer refused: it returned 0"));
    }
    let bytes = memory.data(store);
    memory::range(bytes, pointer, CHUNK_CAPACITY as u32, "chunk_buffer")
        .map_err(|thrown| failed(thrown.to_string()))
}

/// The code of a call that must return before the exchange begins.
fn ready(came: Came, name: &str) -> Result<i32, CallError> {
    match came {
        Came::Back(code) => Ok(code),
        Came::Exited => Err(failed(format!("it exited in {name}"))),
    }
}

fn next(came: Came, name: &'static str) -> Result<Next, CallError> {
    match came {
        Came::Exited => Ok(Next::Finish),
        Came::Back(code) => decode(code, name, Next::from_code),
    }
}

fn decode<T>(code: i32, export: &'static str, meaning: impl Fn(i32) -> Option<T>) -> Result<T, CallError> {
    if code < 0 {
        return Err(CallError::Failed(Failure::Rejected { export, code }));
    }
    meaning(code)
        .ok_or_else(|| failed(format!("{export} returned {code}, which has no meaning in version 1")))
}

fn failed(reason: impl Into<String>) -> CallError {
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

fn entry<P: WasmParams>(
    store: &mut Store<State>,
    instance: WasmInstance,
    place: &ModuleExport,
) -> Result<Entry<P>, CallError> {
    let function = instance
        .get_module_export(&mut *store, place)
        .and_then(wasmtime::Extern::into_func)
        .ok_or_else(|| failed("an export is missing"))?;
    if let Ok(function) = function.typed::<P, i32>(&*store) {
        return Ok(Entry::Coded(function));
    }
    let function = function.typed::<P, ()>(&*store);
    function.map(Entry::Silent).map_err(|error| failed(error.to_string()))
}

impl<P: WasmParams + Sync> Entry<P> {
    /// Calls it within its budgets.
    async fn call(
        &self,
        store: &mut Store<State>,
        parameters: P,
        budget: &CallBudget,
    ) -> Result<Came, CallError> {
        store.set_epoch_deadline(1);
        store.data_mut().begin_call();
        let (began, waited) = (Instant::now(), budget.meter.waited());
        let outcome = match self {
            Self::Coded(function) => budget.bound(pin!(function.call_async(&mut *store, parameters))).await?,
            Self::Silent(function) => {
                budget.bound(pin!(function.call_async(&mut *store, parameters))).await?.map(|()| 0)
            }
        };
        let waited = budget.meter.waited().saturating_sub(waited);
        budget.tally.usage().called(began.elapsed().saturating_sub(waited));
        match outcome {
            Ok(code) => Ok(Came::Back(code)),
            Err(error) => match classify(&error) {
                Ok(()) => Ok(Came::Exited),
                Err(error) => Err(explain(error, store.data())),
            },
        }
    }
}

impl CallBudget {
    /// Drives `call` for at most the wall time of a call, time in `emit` not counted. Only a call
    /// that does not end at its first poll costs a timer.
    async fn bound<F: Future>(&self, mut call: Pin<&mut F>) -> Result<F::Output, CallError> {
        let mut alarm = None;
        poll_fn(|context| {
            if alarm.is_some() {
                self.meter.resume();
            }
            if let Poll::Ready(output) = self.poll_counted(call.as_mut(), context)? {
                return Poll::Ready(Ok(output));
            }
            // A call that is suspended before every tick is charged here.
            if self.meter.suspend() > self.cpu_per_call {
                let deadline = Deadline::CpuPerCall(self.cpu_per_call);
                return Poll::Ready(Err(CallError::Failed(Failure::Deadline(deadline))));
            }
            let (started, before, sleep) = alarm.get_or_insert_with(|| {
                let now = Instant::now();
                (now, self.meter.waited(), Box::pin(sleep_until(now + self.time_per_call)))
            });
            while sleep.as_mut().poll(context).is_ready() {
                let waited = self.meter.waited().saturating_sub(*before);
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
