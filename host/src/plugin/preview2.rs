//! WASI preview 2 for components: wasmtime's own, with what the plugin's
//! [`Grants`](super::grants::Grants) name. Clocks, random numbers, granted environment and folders;
//! standard input is empty, standard output and error are the log. Sockets are there, and every use of
//! them is denied; HTTP is refused at load, by name ([`super::component_check`]).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::io::{AsyncWrite, sink};
use wasmtime::component::{Linker, ResourceTable};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{self, OutputStream, Pollable, StreamResult};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView, async_trait};

use super::failure::Thrown;
use super::state::State;
use super::wasi::{self, collect_stderr};

/// The most resources that an instance holds: streams, pollables, open files. Each may be one of the
/// process's descriptors: without a bound one plugin could keep the host from accepting connections.
const MAX_RESOURCES: usize = 64;

/// The most bytes of a call that wait to be written to the log; what is beyond is dropped. More lines
/// than that would be dropped by the log's own budget.
const MAX_LOGGED: usize = 64 * 1024;

/// WASI as one instance has it.
pub(super) struct Preview2 {
    context: WasiCtx,
    table: ResourceTable,
    printed: Printed,
}

/// Defines preview 2 in `linker`.
pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    p2::add_to_linker_async(linker)
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let preview2 = self.preview2.take().unwrap_or_else(|| {
            let printed = Printed::default();
            let (mut builder, _) = wasi::context(self);
            let context = builder.stdout(printed.clone()).stderr(printed.clone()).build();
            let mut table = ResourceTable::new();
            table.set_max_capacity(MAX_RESOURCES);
            Box::new(Preview2 { context, table, printed })
        });
        let Preview2 { context, table, .. } = &mut **self.preview2.insert(preview2);
        WasiCtxView { ctx: context, table }
    }
}

/// Writes what a call has printed to the log.
///
/// # Errors
///
/// See [`super::hostcalls::write_log`].
pub(super) fn log_printed(state: &mut State) -> Result<(), Thrown> {
    let Some(preview2) = &state.preview2 else {
        return Ok(());
    };
    let printed = std::mem::take(&mut *preview2.printed.lock());
    if printed.is_empty() { Ok(()) } else { collect_stderr(state, &printed) }
}

/// What was printed since the last look.
#[derive(Clone, Debug, Default)]
struct Printed(Arc<Mutex<Vec<u8>>>);

impl Printed {
    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        // A panic elsewhere leaves bytes that are still good.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl IsTerminal for Printed {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Printed {
    /// Only preview 3 asks for it, which is not linked.
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl Pollable for Printed {
    async fn ready(&mut self) {}
}

#[async_trait]
impl OutputStream for Printed {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let mut printed = self.lock();
        let room = MAX_LOGGED - printed.len();
        printed.extend_from_slice(&bytes[..bytes.len().min(room)]);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(MAX_LOGGED)
    }
}
