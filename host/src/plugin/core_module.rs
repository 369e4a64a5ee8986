//! An instance of a core module with `on_chunk`: ABI version 1 as it stands in `docs/abi.md`.

use std::ops::Range;
use std::pin::pin;

use wasmtime::{Instance as WasmInstance, InstancePre, Memory, ModuleExport, Store, TypedFunc, WasmParams};

use super::abi::{CHUNK_CAPACITY, Next, Opened, export};
use super::calls::{self, CallBudget, Came, failed};
use super::check::Exports;
use super::failure::{CallError, Failure};
use super::memory;
use super::state::State;

/// A live instance.
pub(super) struct CoreModule {
    pub(super) store: Store<State>,
    memory: Memory,
    /// Where the plugin takes its chunks: [`CHUNK_CAPACITY`] bytes.
    area: Range<usize>,
    on_chunk: Entry<(u32, u32)>,
    on_open: Option<Entry<()>>,
    on_end: Option<Entry<()>>,
    on_timer: Option<Entry<()>>,
    pub(super) budget: CallBudget,
}

/// An export that returns a code, or nothing, which counts as 0.
enum Entry<P> {
    Coded(TypedFunc<P, i32>),
    Silent(TypedFunc<P, ()>),
}

impl CoreModule {
    /// Start function, `_initialize`, `chunk_buffer`.
    pub(super) async fn start(
        pre: &InstancePre<State>,
        exports: &Exports,
        (mut store, budget): (Store<State>, CallBudget),
    ) -> Result<Self, CallError> {
        let instance = instantiate(pre, &mut store, &budget).await?;
        let memory = find_memory(instance, &mut store, &exports.memory)?;
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

    /// Where the next chunk is to be put.
    pub(super) fn area(&mut self) -> &mut [u8] {
        &mut self.memory.data_mut(&mut self.store)[self.area.clone()]
    }

    pub(super) async fn open(&mut self) -> Result<Opened, CallError> {
        let Some(on_open) = &self.on_open else {
            return Ok(Opened::GoOn);
        };
        match on_open.call(&mut self.store, (), &self.budget).await? {
            Came::Exited => Ok(Opened::Finish),
            Came::Back(code) => decode(code, export::ON_OPEN, Opened::from_code),
        }
    }

    pub(super) async fn chunk(&mut self, length: usize) -> Result<Next, CallError> {
        let chunk = (self.area.start as u32, length as u32);
        let came = self.on_chunk.call(&mut self.store, chunk, &self.budget).await?;
        next(came, export::ON_CHUNK)
    }

    pub(super) async fn end(&mut self) -> Result<(), CallError> {
        let Some(on_end) = &self.on_end else {
            return Ok(());
        };
        next(on_end.call(&mut self.store, (), &self.budget).await?, export::ON_END).map(drop)
    }

    pub(super) async fn fire_timer(&mut self) -> Result<Next, CallError> {
        let Some(on_timer) = &self.on_timer else {
            return Ok(Next::GoOn);
        };
        next(on_timer.call(&mut self.store, (), &self.budget).await?, export::ON_TIMER)
    }
}

/// Makes an instance of a core module and runs its start function.
pub(super) async fn instantiate(
    pre: &InstancePre<State>,
    store: &mut Store<State>,
    budget: &CallBudget,
) -> Result<WasmInstance, CallError> {
    calls::begin(store);
    let outcome = budget.bound(pin!(pre.instantiate_async(&mut *store))).await?;
    match calls::settle(outcome, store.data())? {
        Came::Back(instance) => Ok(instance),
        Came::Exited => Err(failed("it exited before it was ready")),
    }
}

/// Finds the memory, and keeps it where hostcalls look for it.
pub(super) fn find_memory(
    instance: WasmInstance,
    store: &mut Store<State>,
    place: &ModuleExport,
) -> Result<Memory, CallError> {
    let memory = instance.get_module_export(&mut *store, place).and_then(wasmtime::Extern::into_memory);
    let memory = memory.ok_or_else(|| failed("its memory is missing"))?;
    store.data_mut().memory = Some(memory);
    Ok(memory)
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
fn ready(came: Came<i32>, name: &str) -> Result<i32, CallError> {
    match came {
        Came::Back(code) => Ok(code),
        Came::Exited => Err(failed(format!("it exited in {name}"))),
    }
}

fn next(came: Came<i32>, name: &'static str) -> Result<Next, CallError> {
    match came {
        Came::Exited => Ok(Next::Finish),
        Came::Back(code) => decode(code, name, Next::from_code),
    }
}

fn decode<T>(code: i32, export: &'static str, meaning: impl Fn(i32) -> Option<T>) -> Result<T, CallError> {
    if code < 0 {
        let answer = code.to_string();
        return Err(CallError::Failed(Failure::Rejected { export, answer }));
    }
    meaning(code)
        .ok_or_else(|| failed(format!("{export} returned {code}, which has no meaning in version 1")))
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
    ) -> Result<Came<i32>, CallError> {
        calls::begin(store);
        let outcome = match self {
            Self::Coded(function) => budget.run(pin!(function.call_async(&mut *store, parameters))).await?,
            Self::Silent(function) => {
                budget.run(pin!(function.call_async(&mut *store, parameters))).await?.map(|()| 0)
            }
        };
        calls::settle(outcome, store.data())
    }
}
