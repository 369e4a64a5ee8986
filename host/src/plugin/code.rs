//! The code of a plugin: a file that was checked against the ABI and compiled. Plugins with the same
//! bytes share it, whatever their manifests say.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use wasmtime::{InstancePre, Module};

use super::cache::CodeCache;
use super::check::{Exports, LoadError, check};
use super::engine::Engine;
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
    pub(super) pre: InstancePre<State>,
    pub(super) exports: Exports,
    compile_time: Duration,
    is_cached: bool,
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
        let module = match cached {
            Some(module) => module,
            None => compile(engine, bytes)?,
        };
        let code = Self::of(engine, bytes.len(), digest, &module)?;
        if let Some(cache) = cache.filter(|_| !is_cached) {
            cache.put(&engine.wasmtime, &digest.0, &module);
        }
        Ok(Arc::new(Self { compile_time: began.elapsed(), is_cached, ..code }))
    }

    /// Checks the module of a file of this size and digest. How long it took to make is not known here.
    pub(super) fn of(
        engine: &Engine,
        size: usize,
        digest: Digest,
        module: &Module,
    ) -> Result<Self, LoadError> {
        let (exports, pre) = link(engine, module)?;
        let version = digest.version();
        Ok(Self { digest, version, size, pre, exports, compile_time: Duration::ZERO, is_cached: false })
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

pub(super) fn compile(engine: &Engine, bytes: &[u8]) -> Result<Module, LoadError> {
    if wasmtime::Engine::detect_precompiled(bytes).is_some() {
        return Err(LoadError::new("this is precompiled code; a plugin is a .wasm or .wat module"));
    }
    if is_component(bytes) {
        return Err(LoadError::new("this is a component; only core modules are supported so far"));
    }
    if bytes.is_empty() {
        return Err(LoadError::new("the file is empty"));
    }
    if !bytes.starts_with(b"\0asm") && std::str::from_utf8(bytes).is_err() {
        return Err(LoadError::new("not a WebAssembly module: it neither begins with \\0asm nor is it text"));
    }
    Module::new(&engine.wasmtime, bytes).map_err(|error| {
        let reason = format!("{error:#}");
        LoadError::new(format!("not a valid module: {}", one_line(&reason)))
    })
}

/// Layer 1 of the binary format: a component (component model, `Binary.md`).
pub(super) fn is_component(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\0asm") && bytes.get(6) == Some(&1)
}

/// The first line of wasmtime's texts says it; what follows are excerpts.
fn one_line(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.take(3).collect::<Vec<_>>().join("; ")
}

/// Checks the module, and finds its imports.
fn link(engine: &Engine, module: &Module) -> Result<(Exports, InstancePre<State>), LoadError> {
    let exports = check(module)?;
    let pre = engine.linker.instantiate_pre(module);
    pre.map(|pre| (exports, pre)).map_err(|error| LoadError::new(one_line(&format!("{error:#}"))))
}
