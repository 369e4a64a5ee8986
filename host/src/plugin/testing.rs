//! What several unit tests of this folder need: a place for files, and a plugin run to `on_open`.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use super::{
    CallError, Code, Engine, EngineOptions, Grants, Instance, Limits, Outlet, OutletError, Plugin, Response,
    Settings, Wiring,
};

/// A path of its own for each test, removed at its end.
pub(super) struct Place(pub(super) PathBuf);

impl Place {
    pub(super) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let place = std::env::temp_dir().join(format!("wasmplex-unit-{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&place);
        Self(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Collects what is emitted.
#[derive(Clone, Default)]
struct Output(Arc<Mutex<Vec<u8>>>);

impl Outlet for Output {
    fn begin(&mut self, _response: &Response) -> Result<(), OutletError> {
        Ok(())
    }

    fn offer(&mut self, bytes: &[u8]) -> Result<usize, OutletError> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn poll_flush(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), OutletError>> {
        Poll::Ready(Ok(()))
    }

    fn accepts_field(&self, _name: &[u8], _value: &[u8]) -> bool {
        true
    }
}

/// Runs a plugin in text form to the end of `on_open`, on one thread as `wasmplex run` does, and
/// returns what it emitted.
pub(super) fn open(text: &str, grants: Grants) -> Result<Vec<u8>, CallError> {
    let engine = Engine::new(&EngineOptions { max_instances: 1 }).unwrap();
    let limits = Limits { time_per_call: Duration::from_millis(500), ..Limits::default() };
    let code = Code::load(&engine, text.as_bytes(), None).unwrap();
    let settings = Settings { limits, grants, ..Settings::default() };
    let plugin = Plugin::new(&engine, "unit", code, settings).unwrap();
    let output = Output::default();
    let wiring = Wiring::alone(&plugin, Box::new(output.clone()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let outcome = runtime.block_on(async {
        let mut instance = Instance::start(&plugin, wiring).await?;
        instance.open().await
    });
    // Without waiting for an operation that hangs.
    runtime.shutdown_background();
    outcome.map(|_| output.0.lock().unwrap().clone())
}
