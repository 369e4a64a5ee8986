//! Compiled code as bytes: the one place where bytes become machine code, and the only `unsafe` of
//! the host.
//!
//! wasmtime hardly checks compiled code that it is given back: whoever chooses those bytes chooses
//! what this process executes. So they are trusted on one ground only, which this module holds from
//! end to end: [`Key::seal`] takes [`Compiled`], never bytes, and signs what wasmtime serialized;
//! [`Key::unseal`] hands on only what carries such a signature, out of the very buffer that was
//! checked. What remains to be trusted is the key: whoever may read or replace it (this user, root)
//! could as well replace this program. [`super::cache_folder`] sees to it that nobody else can.
//!
//! The signature is not there against this user's own malice, but against all else that happens to
//! files: a write that was cut, a bad disk, a folder put back from elsewhere, a file under another's
//! name, a folder whose permissions were loose for a while.

#![expect(
    unsafe_code,
    reason = "wasmtime cannot check compiled code; a signature of our own can vouch for it"
)]

use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use wasmtime::component::Component;
use wasmtime::{Engine, Module};

use super::compiled::Compiled;

/// What a file of this form begins with.
const MAGIC: &[u8; 8] = b"wpxcode1";

/// The size of a signature in bytes: all of HMAC-SHA256.
const SIGNATURE: usize = 32;

/// The secret that signs compiled code.
pub(super) struct Key([u8; Key::SIZE]);

impl Key {
    /// The size of a key in bytes.
    pub(super) const SIZE: usize = 32;

    /// The bytes must be random and known to nobody else: see the module's head.
    pub(super) const fn new(bytes: [u8; Self::SIZE]) -> Self {
        Self(bytes)
    }

    /// The bytes of a file `name` with `compiled`: magic, signature, code.
    pub(super) fn seal(&self, name: &str, compiled: &Compiled) -> wasmtime::Result<Vec<u8>> {
        let code = compiled.serialize()?;
        let mut sealed = Vec::with_capacity(MAGIC.len() + SIGNATURE + code.len());
        sealed.extend_from_slice(MAGIC);
        sealed.extend_from_slice(&self.signature(name, &code).finalize().into_bytes());
        sealed.extend_from_slice(&code);
        Ok(sealed)
    }

    /// The code in the bytes of a file `name`, if they are what [`Key::seal`] made under this name.
    pub(super) fn unseal(&self, engine: &Engine, name: &str, sealed: &[u8]) -> Result<Compiled, String> {
        let Some((magic, rest)) = sealed.split_first_chunk::<{ MAGIC.len() }>() else {
            return Err("it is too short".to_owned());
        };
        let Some((signature, code)) = rest.split_first_chunk::<SIGNATURE>() else {
            return Err("it is too short".to_owned());
        };
        if magic != MAGIC {
            return Err("it does not begin as it should".to_owned());
        }
        // In constant time.
        self.signature(name, code).verify_slice(signature).map_err(|_| "its signature is wrong")?;
        // SAFETY: `deserialize` asks for bytes that `Module::serialize` or `Component::serialize`
        // returned, unchanged. `code` is: its signature was checked just now, in this same borrowed
        // slice, which nobody can change meanwhile; and `seal` signs nothing but what
        // `Compiled::serialize` returned. It may have been another version of wasmtime that did:
        // `deserialize` is specified to be safe with those, and to refuse code of the other kind.
        let compiled = unsafe {
            if Compiled::is_component_code(code) {
                Component::deserialize(engine, code).map(Compiled::Component)
            } else {
                Module::deserialize(engine, code).map(Compiled::Module)
            }
        };
        compiled.map_err(|error| format!("{error:#}"))
    }

    fn signature(&self, name: &str, code: &[u8]) -> Hmac<Sha256> {
        let mut signature = Hmac::new_from_slice(&self.0).expect("HMAC takes keys of any size");
        // The lengths make it one message for each pair of name and code.
        for part in [name.as_bytes(), code] {
            signature.update(&(part.len() as u64).to_le_bytes());
            signature.update(part);
        }
        signature
    }
}
