//! A plugin: compiled code under a name, with what its manifest says.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::check::LoadError;
use super::code::Code;
use super::engine::Engine;
use super::grants::Grants;
use super::limits::Limits;
use super::outlet::Response;
use super::ticker::Ticker;

/// What a manifest settles, for the plugin's side.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Settings {
    pub limits: Limits,
    pub grants: Grants,
    /// Fields that the response starts with.
    pub response: Vec<(String, String)>,
    /// What the import `config` answers.
    pub config: BTreeMap<String, String>,
}

/// One plugin, ready to be instantiated.
pub struct Plugin {
    name: Box<str>,
    code: Arc<Code>,
    settings: Settings,
    response: Response,
    pub(super) limits: Limits,
    pub(super) ticker: Arc<Ticker>,
}

impl Plugin {
    /// Gives code a name and settings.
    ///
    /// # Errors
    ///
    /// [`LoadError`] when the code needs more than the limits allow, or the response fields are
    /// beyond the bounds of a head.
    pub fn new(
        engine: &Engine,
        name: &str,
        code: Arc<Code>,
        settings: Settings,
    ) -> Result<Arc<Self>, LoadError> {
        let limits = settings.limits;
        check_size(code.initial_memory(), &limits)?;
        let mut response = Response::default();
        if !settings
            .response
            .iter()
            .all(|(name, value)| response.set_field(name.as_bytes(), value.as_bytes()))
        {
            return Err(LoadError::new("response: too many fields, or too long"));
        }
        let ticker = engine.ticker();
        Ok(Arc::new(Self { name: name.into(), code, settings, response, limits, ticker }))
    }

    /// The name in its route.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first digits of the file's SHA-256.
    #[must_use]
    pub fn version(&self) -> &str {
        self.code.version()
    }

    /// Its code.
    #[must_use]
    pub const fn code(&self) -> &Arc<Code> {
        &self.code
    }

    /// The budgets of its instances.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What its manifest says.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What a response starts with: where a stage before this one has shaped it, its fields are
    /// kept beside this one's.
    pub(super) fn first_response(&self, inherited: Option<Response>) -> Response {
        let Some(mut response) = inherited else {
            return self.response.clone();
        };
        for (name, value) in self.response.fields() {
            // Where there is no room for more, what the stage before has set stays.
            let _ = response.set_field(name, value);
        }
        response
    }
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin").field("name", &self.name).field("code", &self.code).finish_non_exhaustive()
    }
}

/// Whether the memory that code begins with is within the limits.
pub(super) fn check_size(initial: u64, limits: &Limits) -> Result<(), LoadError> {
    let limit = limits.memory.min(limits.memory_per_exchange);
    if initial > limit as u64 {
        return Err(LoadError::new(format!(
            "its initial memory of {initial} bytes is beyond the limit of {limit} (--memory)"
        )));
    }
    Ok(())
}
