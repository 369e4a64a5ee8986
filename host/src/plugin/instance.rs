//! One plugin running for one exchange, whatever its kind.

use std::cell::RefCell;
use std::sync::Arc;

use tokio::time::Instant;

use super::abi::{CHUNK_CAPACITY, Next, Opened};
use super::calls;
use super::code::Form;
use super::command::Command;
use super::component::Component;
use super::core_module::CoreModule;
use super::failure::CallError;
use super::module::Plugin;
use super::outlet::{NoRequest, Outlet, Request, Response};
use super::usage::{Account, ExchangeId, Tally};
use crate::copy::append;

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

impl Wiring {
    /// For an instance that runs by itself, without an exchange of the host's around it.
    #[must_use]
    pub fn alone(plugin: &Plugin, outlet: Box<dyn Outlet>) -> Self {
        let account = Account::open(ExchangeId(0), std::iter::once(plugin.limits()));
        let request = Arc::new(NoRequest(plugin.name().into()));
        Self { tally: Tally::of(&account, 0), outlet, request, inherited: None }
    }
}

/// A live instance. Dropping it, even in the middle of a call, gives everything back.
pub struct Instance(Running);

/// The three kinds.
#[expect(
    clippy::large_enum_variant,
    reason = "the common one is where it is used; a pointer would cost every short request an allocation"
)]
enum Running {
    CoreModule(CoreModule),
    Command(Box<Command>),
    Component(Box<Component>),
}

thread_local! {
    /// Where a chunk is put on its way to an instance that has no place of its own for it.
    static AREA: RefCell<Box<[u8]>> = RefCell::new(vec![0; CHUNK_CAPACITY].into_boxed_slice());
}

/// Hands `read` a place, and puts what it keeps of it at the end of `bytes`.
fn read_to<R>(bytes: &mut Vec<u8>, read: impl FnOnce(&mut [u8]) -> (usize, R)) -> R {
    AREA.with_borrow_mut(|area| {
        let (length, answer) = read(area);
        append(bytes, &area[..length]);
        answer
    })
}

impl Instance {
    /// Creates the instance and makes it ready for [`Instance::open`].
    ///
    /// # Errors
    ///
    /// [`CallError`] when that fails.
    pub async fn start(plugin: &Arc<Plugin>, wiring: Wiring) -> Result<Self, CallError> {
        let began = Instant::now();
        let tally = wiring.tally.clone();
        let fresh = calls::store(plugin, wiring);
        let running = match &plugin.code().form {
            Form::CoreModule { pre, exports } => {
                Running::CoreModule(CoreModule::start(pre, exports, fresh).await?)
            }
            Form::Command { pre, exports } => {
                Running::Command(Box::new(Box::pin(Command::start(pre, exports, fresh)).await?))
            }
            Form::Component { pre, exports } => {
                Running::Component(Box::new(Box::pin(Component::start(pre, exports, fresh)).await?))
            }
        };
        let nanos = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        tally.usage().started_in.add(nanos);
        Ok(Self(running))
    }

    /// Where what it uses is written down.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        match &self.0 {
            Running::CoreModule(module) => &module.budget.tally,
            Running::Command(command) => command.tally(),
            Running::Component(component) => &component.budget.tally,
        }
    }

    /// The status for an exchange that the plugin rejected before the head was out: the 4xx or 5xx that
    /// it set, otherwise 500.
    #[must_use]
    pub fn rejection_status(&self) -> u16 {
        match &self.0 {
            Running::CoreModule(module) => module.store.data().response.rejection_status(),
            // A program rejects by its exit code, and that is a failure.
            Running::Command(_) => Response::default().rejection_status(),
            Running::Component(component) => component.store.data().response.rejection_status(),
        }
    }

    /// Lets the response head go if it has not gone yet.
    ///
    /// # Errors
    ///
    /// [`CallError::Gone`] when nobody is there to receive it.
    pub fn begin_response(&mut self) -> Result<(), CallError> {
        match &mut self.0 {
            Running::CoreModule(module) => Ok(module.store.data_mut().begin_response()?),
            Running::Command(command) => command.begin_response(),
            Running::Component(component) => Ok(component.store.data_mut().begin_response()?),
        }
    }

    /// Lets the response head go if this is a program that is about to wait, and has not let it go yet.
    /// Says whether it was so.
    ///
    /// # Errors
    ///
    /// See [`Instance::begin_response`].
    pub fn begin_before_wait(&mut self) -> Result<bool, CallError> {
        match &mut self.0 {
            Running::Command(command) if command.holds_head() => command.begin_response().map(|()| true),
            _ => Ok(false),
        }
    }

    /// Whether it would take a chunk now, or the body's end. Only a command that sleeps does not.
    #[must_use]
    pub fn wants_input(&self) -> bool {
        match &self.0 {
            Running::CoreModule(_) | Running::Component(_) => true,
            Running::Command(command) => command.wants_input(),
        }
    }

    /// Hands `read` the place for the next chunk, [`CHUNK_CAPACITY`] bytes, and keeps as many of them as
    /// it says beside its answer. To be followed by [`Instance::chunk`] if there are any.
    pub fn fill<R>(&mut self, read: impl FnOnce(&mut [u8]) -> (usize, R)) -> R {
        match &mut self.0 {
            Running::CoreModule(module) => read(module.area()).1,
            Running::Command(command) => command.with_input(|bytes| read_to(bytes, read)),
            Running::Component(component) => read_to(&mut component.chunk, read),
        }
    }

    /// When [`Instance::fire_timer`] is due, if it is to be called.
    #[must_use]
    pub fn timer(&self) -> Option<Instant> {
        match &self.0 {
            Running::CoreModule(module) => module.store.data().timer,
            Running::Command(command) => command.timer(),
            Running::Component(component) => component.store.data().timer,
        }
    }

    /// The body has ended: a timer that was set before is not to keep the response open. A command's
    /// sleep is not such a timer.
    pub fn cancel_timer(&mut self) {
        match &mut self.0 {
            Running::CoreModule(module) => module.store.data_mut().timer = None,
            Running::Command(_) => {}
            Running::Component(component) => component.store.data_mut().timer = None,
        }
    }

    /// Calls `on_open`, or runs a command until it first waits.
    ///
    /// # Errors
    ///
    /// [`CallError`], here and below, ends the exchange; the instance must not be called again.
    pub async fn open(&mut self) -> Result<Opened, CallError> {
        match &mut self.0 {
            Running::CoreModule(module) => module.open().await,
            Running::Command(command) => command.open().await,
            Running::Component(component) => Box::pin(component.open()).await,
        }
    }

    /// Calls `on_chunk` with the `length` bytes that [`Instance::fill`] has put there.
    ///
    /// # Errors
    ///
    /// See [`Instance::open`].
    pub async fn chunk(&mut self, length: usize) -> Result<Next, CallError> {
        debug_assert!(length <= CHUNK_CAPACITY);
        self.tally().usage().chunks.add(1);
        match &mut self.0 {
            Running::CoreModule(module) => module.chunk(length).await,
            Running::Command(command) => command.go_on().await,
            Running::Component(component) => Box::pin(component.chunk()).await,
        }
    }

    /// Calls `on_end`: the body is complete.
    ///
    /// # Errors
    ///
    /// See [`Instance::open`].
    pub async fn end(&mut self) -> Result<(), CallError> {
        match &mut self.0 {
            Running::CoreModule(module) => module.end().await,
            Running::Command(command) => command.end().await,
            Running::Component(component) => Box::pin(component.end()).await,
        }
    }

    /// Calls `on_timer`: the timer has fired, and is no longer set.
    ///
    /// # Errors
    ///
    /// See [`Instance::open`].
    pub async fn fire_timer(&mut self) -> Result<Next, CallError> {
        self.cancel_timer();
        match &mut self.0 {
            Running::CoreModule(module) => module.fire_timer().await,
            Running::Command(command) => command.wake().await,
            Running::Component(component) => Box::pin(component.fire_timer()).await,
        }
    }
}
