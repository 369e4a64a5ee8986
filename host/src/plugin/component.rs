//! An instance of a component of package `wasmplex:plugin`: what it imports, and the calls of its exports.

use std::pin::pin;

use wasmtime::component::{
    ComponentNamedList, ComponentType, InstancePre, Lift, Linker, Lower, TypedFunc, WasmList, WasmStr,
};
use wasmtime::{Store, StoreContextMut};

use super::abi::{Next, Opened};
use super::calls::{self, CallBudget, Came, failed};
use super::component_check::{ComponentExports, name};
use super::failure::{CallError, Failure, Thrown};
use super::hostcalls::{MAX_LOG_LINE, printable, write_log};
use super::preview2;
use super::state::State;

/// `host.level`.
#[derive(Clone, Copy, Debug, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
#[expect(dead_code, reason = "made by lifting alone")]
enum Level {
    #[component(name = "trace")]
    Trace,
    #[component(name = "debug")]
    Debug,
    #[component(name = "info")]
    Info,
    #[component(name = "warn")]
    Warn,
    #[component(name = "error")]
    Error,
}

/// The most bytes that are copied out of a component at a time, to be emitted.
const MAX_PIECE: usize = 64 * 1024;

/// The most bytes of a name or a value: four times what a response head may have in all.
const MAX_TEXT: usize = 64 * 1024;

/// The most bytes of the reason of a rejection that are shown.
const MAX_REASON: usize = 256;

/// What an export of the world `plugin` answers.
type Answer<T> = (Result<T, String>,);

/// A live instance.
pub(super) struct Component {
    pub(super) store: Store<State>,
    /// The next chunk.
    pub(super) chunk: Vec<u8>,
    world: World,
    pub(super) budget: CallBudget,
}

/// What it exports, by world.
#[derive(Clone, Copy)]
enum World {
    Filter(TypedFunc<(Vec<u8>,), ()>),
    Plugin {
        on_open: TypedFunc<(), Answer<Opened>>,
        on_chunk: TypedFunc<(Vec<u8>,), Answer<Next>>,
        on_end: TypedFunc<(), Answer<()>>,
        on_timer: TypedFunc<(), Answer<Next>>,
    },
}

/// Defines the interfaces of the package in `linker`.
pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut output = linker.instance(name::OUTPUT)?;
    output.func_wrap_async("emit", |store, (bytes,): (WasmList<u8>,)| Box::new(emit(store, bytes)))?;
    let mut host = linker.instance(name::HOST)?;
    host.func_wrap("log", |mut store: StoreContextMut<'_, State>, (level, line): (Level, WasmStr)| {
        let line = line.to_str(&store)?.bytes().take(MAX_LOG_LINE).collect::<Vec<_>>();
        Ok(write_log(store.data_mut(), level as u32, &line)?)
    })?;
    host.func_wrap("request-field", |store: StoreContextMut<'_, State>, (name,): (WasmStr,)| {
        let name = text(&store, &name)?;
        let value = store.data().request.field(name.as_bytes());
        Ok((value.map(|value| String::from_utf8_lossy(&value).into_owned()),))
    })?;
    host.func_wrap("response-status", |mut store: StoreContextMut<'_, State>, (code,): (u16,)| {
        Ok((store.data_mut().response.set_status(code.into()),))
    })?;
    host.func_wrap(
        "response-field",
        |mut store: StoreContextMut<'_, State>, (name, value): (WasmStr, WasmStr)| {
            let (name, value) = (text(&store, &name)?, text(&store, &value)?);
            let (state, name, value) = (store.data_mut(), name.as_bytes(), value.as_bytes());
            Ok((state.outlet.accepts_field(name, value) && state.response.set_field(name, value),))
        },
    )?;
    host.func_wrap("config", |store: StoreContextMut<'_, State>, (key,): (WasmStr,)| {
        let key = text(&store, &key)?;
        Ok((store.data().plugin.settings().config.get(&key).cloned(),))
    })?;
    host.func_wrap("set-timer", |mut store: StoreContextMut<'_, State>, (milliseconds,): (u32,)| {
        store.data_mut().set_timer(milliseconds)?;
        Ok(())
    })?;
    // Types alone; the interface must be there.
    linker.instance(name::TYPES)?;
    preview2::link(linker)
}

/// A name or a value that a component passes.
fn text(store: &StoreContextMut<'_, State>, text: &WasmStr) -> wasmtime::Result<String> {
    let text = text.to_str(store)?;
    if text.len() > MAX_TEXT {
        let reason = format!("a name or value of {} bytes, beyond the bound of {MAX_TEXT}", text.len());
        return Err(Thrown::Fault(reason).into());
    }
    Ok(text.into_owned())
}

/// Emits a piece at a time: what waits for the client stays in the component's memory, which its limit
/// counts.
async fn emit(mut store: StoreContextMut<'_, State>, bytes: WasmList<u8>) -> wasmtime::Result<()> {
    let mut piece = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes.as_le_slice(&store)[at..];
        piece.clear();
        piece.extend_from_slice(&rest[..rest.len().min(MAX_PIECE)]);
        at += piece.len();
        store.data_mut().emit(&piece).await?;
    }
    Ok(())
}

impl Component {
    /// Makes the instance: its core modules' start functions run.
    pub(super) async fn start(
        pre: &InstancePre<State>,
        exports: &ComponentExports,
        (mut store, budget): (Store<State>, CallBudget),
    ) -> Result<Self, CallError> {
        calls::begin(&mut store);
        let outcome = budget.bound(pin!(pre.instantiate_async(&mut store))).await?;
        let instance = match calls::settle(outcome, store.data())? {
            Came::Back(instance) => instance,
            Came::Exited => return Err(failed("it exited before it was ready")),
        };
        let wrong = |error: wasmtime::Error| failed(error.to_string());
        let world = match &exports.plugin {
            None => World::Filter(instance.get_typed_func(&mut store, exports.on_chunk).map_err(wrong)?),
            Some(plugin) => World::Plugin {
                on_chunk: instance.get_typed_func(&mut store, exports.on_chunk).map_err(wrong)?,
                on_open: instance.get_typed_func(&mut store, plugin.on_open).map_err(wrong)?,
                on_end: instance.get_typed_func(&mut store, plugin.on_end).map_err(wrong)?,
                on_timer: instance.get_typed_func(&mut store, plugin.on_timer).map_err(wrong)?,
            },
        };
        Ok(Self { store, chunk: Vec::new(), world, budget })
    }

    pub(super) async fn open(&mut self) -> Result<Opened, CallError> {
        let World::Plugin { on_open, .. } = self.world else {
            return Ok(Opened::GoOn);
        };
        Ok(match self.call(&on_open, ()).await? {
            Came::Exited => Opened::Finish,
            Came::Back((answer,)) => accepted(name::ON_OPEN, answer)?,
        })
    }

    pub(super) async fn chunk(&mut self) -> Result<Next, CallError> {
        let chunk = (std::mem::take(&mut self.chunk),);
        match self.world {
            World::Plugin { on_chunk, .. } => next(name::ON_CHUNK, self.call(&on_chunk, chunk).await?),
            World::Filter(on_chunk) => Ok(match self.call(&on_chunk, chunk).await? {
                Came::Back(()) => Next::GoOn,
                Came::Exited => Next::Finish,
            }),
        }
    }

    pub(super) async fn end(&mut self) -> Result<(), CallError> {
        let World::Plugin { on_end, .. } = self.world else {
            return Ok(());
        };
        match self.call(&on_end, ()).await? {
            Came::Exited => Ok(()),
            Came::Back((answer,)) => accepted(name::ON_END, answer),
        }
    }

    pub(super) async fn fire_timer(&mut self) -> Result<Next, CallError> {
        let World::Plugin { on_timer, .. } = self.world else {
            return Ok(Next::GoOn);
        };
        next(name::ON_TIMER, self.call(&on_timer, ()).await?)
    }

    /// Calls it within its budgets, and writes what it printed to the log.
    async fn call<P, R>(&mut self, function: &TypedFunc<P, R>, parameters: P) -> Result<Came<R>, CallError>
    where
        P: ComponentNamedList + Lower + Send + Sync + 'static,
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        calls::begin(&mut self.store);
        let outcome = self.budget.run(pin!(function.call_async(&mut self.store, parameters))).await?;
        let came = calls::settle(outcome, self.store.data());
        let printed = preview2::log_printed(self.store.data_mut());
        printed?;
        came
    }
}

fn next(export: &'static str, came: Came<Answer<Next>>) -> Result<Next, CallError> {
    Ok(match came {
        Came::Exited => Next::Finish,
        Came::Back((answer,)) => accepted(export, answer)?,
    })
}

/// What it answers, unless that is a no.
fn accepted<T>(export: &'static str, answer: Result<T, String>) -> Result<T, CallError> {
    answer.map_err(|reason| {
        let answer = format!("err: {}", printable(reason.as_bytes(), MAX_REASON));
        CallError::Failed(Failure::Rejected { export, answer })
    })
}
