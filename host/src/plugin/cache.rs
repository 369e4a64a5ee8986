//! placeholder
#[derive(Debug)]
pub struct CodeCache;
impl CodeCache {
    pub(super) fn get(&self, _engine: &wasmtime::Engine, _digest: &[u8; 32]) -> Option<wasmtime::Module> {
        None
    }
    pub(super) fn put(&self, _engine: &wasmtime::Engine, _digest: &[u8; 32], _module: &wasmtime::Module) {}
    pub fn open(_folder: &std::path::Path) -> Result<Self, String> {
        Ok(Self)
    }
}
