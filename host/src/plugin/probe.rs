//! A trial of new code before anybody is served by it.

use std::sync::Arc;
use std::task::{Context, Poll};

use super::failure::CallError;
use super::instance::{Instance, Wiring};
use super::module::Plugin;
use super::outlet::{Outlet, OutletError, Response};

/// An outlet that nobody listens to: what is emitted is gone.
#[derive(Clone, Copy, Debug)]
pub struct Nowhere;

impl Outlet for Nowhere {
    fn begin(&mut self, _response: &Response) -> Result<(), OutletError> {
        Ok(())
    }

    fn offer(&mut self, bytes: &[u8]) -> Result<usize, OutletError> {
        Ok(bytes.len())
    }

    fn poll_flush(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), OutletError>> {
        Poll::Ready(Ok(()))
    }

    fn accepts_field(&self, _name: &[u8], _value: &[u8]) -> bool {
        true
    }
}

/// Makes an instance ready for `on_open` and drops it: what fails here would fail every exchange.
/// Start function and `_initialize` run, within the plugin's budgets; what they emit goes nowhere.
///
/// # Errors
///
/// The reason, in a line.
pub async fn probe(plugin: &Arc<Plugin>) -> Result<(), String> {
    match Instance::start(plugin, Wiring::alone(plugin, Box::new(Nowhere))).await {
        Ok(_) => Ok(()),
        Err(CallError::Failed(failure)) => Err(format!("an instance of it fails: {failure}")),
        Err(CallError::Gone) => Err("an instance of it ends at once".to_owned()),
    }
}
