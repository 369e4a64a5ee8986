//! The code of a plugin: a file that was checked against the ABI and compiled. Plugins with the same
//! bytes share it, whatever their manifests say.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use wasmtime::{InstancePre, component};

use super::cache::CodeCache;
use super::check::{CommandExports, Exports, LoadError, Shape, check, initial_memory};
use super::compiled::{Compiled, one_line};
use super::component_check::{ComponentExports, check_component};
use super::engine::{Engine, MAX_CORE_INSTANCES, TABLES_PER_SLOT};
use super::state::State;

/// How many hexadecimal digits of the digest make a version: enough to tell any two apart, and
/// short enough for a log line.
const VERSION_DIGITS: usize = 12;

/// What a file is known by: the SHA-256 of its bytes.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Its first digits.
    #[must_use]
    pub fn version(&self) -> Box<str> {
        let text = self.to_string();
        text[..VERSION_DIGITS].into()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Compiled code.
pub struct Code {
    digest: Digest,
    version: Box<str>,
    size: usize,
    pub(super) form: Form,
    slots: u32,
    compile_time: Duration,
    is_cached: bool,
    source: OnceLock<Box<[u8]>>,
}

/// What kind of plugin it is, ready to make instances of.
pub(super) enum Form {
    CoreModule { pre: InstancePre<State>, exports: Exports },
    Command { pre: InstancePre<State>, exports: CommandExports },
    Component { pre: component::InstancePre<State>, exports: ComponentExports },
}

/// The kinds of plugin.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// A core module with `on_chunk`.
    CoreModule,
    /// A core module with `_start`: a WASI program.
    Command,
    /// A component of package `wasmplex:plugin`.
    Component,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CoreModule => "core module",
            Self::Command => "command",
            Self::Component => "component",
        })
    }
}

impl Code {
    /// Checks and compiles `bytes`, a module in binary or text form, or takes what `cache` has of it.
    /// Compiling takes processor time by the second for large modules: not on a thread that serves.
    ///
    /// # Errors
    ///
    /// [`LoadError`] with the reason, for the plugin's author.
    pub fn load(engine: &Engine, bytes: &[u8], cache: Option<&CodeCache>) -> Result<Arc<Self>, LoadError> {
        let began = Instant::now();
        let digest = Digest::of(bytes);
        let cached = cache.and_then(|cache| cache.get(&engine.wasmtime, &digest.0));
        let is_cached = cached.is_some();
        let compiled = match cached {
            Some(compiled) => compiled,
            None => Compiled::of(engine, bytes)?,
        };
        let code = Self::of(engine, bytes.len(), digest, &compiled)?;
        if let Some(cache) = cache.filter(|_| !is_cached) {
            cache.put(&engine.wasmtime, &digest.0, &compiled);
        }
        Ok(Arc::new(Self { compile_time: began.elapsed(), is_cached, ..code }))
    }

    /// Checks the code of a file of this size and digest. How long it took to make is not known here.
    pub(super) fn of(
        engine: &Engine,
        size: usize,
        digest: Digest,
        compiled: &Compiled,
    ) -> Result<Self, LoadError> {
        let form = link(engine, compiled)?;
        let slots = slots(&form);
        let version = digest.version();
        Ok(Self {
            digest,
            version,
            size,
            form,
            slots,
            compile_time: Duration::ZERO,
            is_cached: false,
            source: OnceLock::new(),
        })
    }

    /// What kind of plugin it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match &self.form {
            Form::CoreModule { .. } => Kind::CoreModule,
            Form::Command { .. } => Kind::Command,
            Form::Component { .. } => Kind::Component,
        }
    }

    /// How many places of the instance pool one of its instances takes: 1, or more for a component of
    /// many modules.
    #[must_use]
    pub const fn slots(&self) -> u32 {
        self.slots
    }

    /// The memory that an instance begins with, in bytes; of several, the largest.
    pub(super) fn initial_memory(&self) -> u64 {
        match &self.form {
            Form::CoreModule { pre, .. } | Form::Command { pre, .. } => initial_memory(pre.module()),
            Form::Component { pre, .. } => {
                let needed = pre.component().resources_required();
                needed.and_then(|needed| needed.max_initial_memory_size).unwrap_or_default()
            }
        }
    }

    /// Whether it wants to hear of timers.
    pub(super) const fn has_timer(&self) -> bool {
        match &self.form {
            Form::CoreModule { exports, .. } => exports.on_timer.is_some(),
            Form::Command { .. } => false,
            Form::Component { exports, .. } => exports.plugin.is_some(),
        }
    }

    pub(super) fn engine(&self) -> &wasmtime::Engine {
        match &self.form {
            Form::CoreModule { pre, .. } | Form::Command { pre, .. } => pre.module().engine(),
            Form::Component { pre, .. } => pre.engine(),
        }
    }

    /// The digest of the file.
    #[must_use]
    pub const fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The first digits of the digest.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The size of the file in bytes.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.size
    }

    /// Keeps the bytes of the file for [`Code::source`], as long as the code itself.
    pub fn keep_source(&self, bytes: Vec<u8>) {
        debug_assert!(bytes.len() == self.size);
        let _ = self.source.set(bytes.into());
    }

    /// The bytes of the file, where they were kept.
    #[must_use]
    pub fn source(&self) -> Option<&[u8]> {
        self.source.get().map(|bytes| &**bytes)
    }

    /// How long it took to make.
    #[must_use]
    pub const fn compile_time(&self) -> Duration {
        self.compile_time
    }

    /// Whether it came from the cache.
    #[must_use]
    pub const fn is_cached(&self) -> bool {
        self.is_cached
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Code").field("version", &self.version).finish_non_exhaustive()
    }
}

/// How many places of the pool an instance takes. Asked for once: wasmtime goes through all that the
/// component is made of to tell.
fn slots(form: &Form) -> u32 {
    let Form::Component { pre, .. } = form else {
        return 1;
    };
    let Some(needed) = pre.component().resources_required() else {
        return MAX_CORE_INSTANCES;
    };
    needed.num_tables.div_ceil(TABLES_PER_SLOT).max(needed.num_memories).max(1)
}

/// Checks compiled code, and finds its imports.
fn link(engine: &Engine, compiled: &Compiled) -> Result<Form, LoadError> {
    let unlinked = |error: wasmtime::Error| LoadError::new(one_line(&format!("{error:#}")));
    match compiled {
        Compiled::Module(module) => {
            let shape = check(module)?;
            let pre = engine.linker.instantiate_pre(module).map_err(unlinked)?;
            Ok(match shape {
                Shape::CoreModule(exports) => Form::CoreModule { pre, exports },
                Shape::Command(exports) => Form::Command { pre, exports },
            })
        }
        Compiled::Component(component) => {
            let exports = check_component(engine, component)?;
            let pre = engine.component_linker.instantiate_pre(component).map_err(unlinked)?;
            Ok(Form::Component { pre, exports })
        }
    }
}
