//! Which plugins there are: an immutable table, swapped whole.
//!
//! Readers take the present [`Generation`] without a lock and keep the `Arc<Plugin>` they found,
//! so that a swap never touches an exchange that runs. [`folder`] builds a generation from files.

pub mod folder;

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::plugin::Plugin;

/// One version of the whole table, name to plugin.
#[derive(Debug, Default)]
pub struct Generation {
    plugins: HashMap<Box<str>, Arc<Plugin>>,
}

impl Generation {
    /// The plugin with this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<Plugin>> {
        self.plugins.get(name)
    }

    /// All of them, by name.
    #[must_use]
    pub fn sorted(&self) -> Vec<&Arc<Plugin>> {
        let mut plugins: Vec<_> = self.plugins.values().collect();
        plugins.sort_by(|a, b| a.name().cmp(b.name()));
        plugins
    }
}

impl FromIterator<Arc<Plugin>> for Generation {
    fn from_iter<I: IntoIterator<Item = Arc<Plugin>>>(plugins: I) -> Self {
        Self { plugins: plugins.into_iter().map(|plugin| (plugin.name().into(), plugin)).collect() }
    }
}

/// The table that requests look into.
#[derive(Debug, Default)]
pub struct Registry {
    current: ArcSwap<Generation>,
}

impl Registry {
    /// A registry that begins with `generation`.
    #[must_use]
    pub fn new(generation: Generation) -> Self {
        Self { current: ArcSwap::from_pointee(generation) }
    }

    /// The plugin with this name, in the present generation.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Arc<Plugin>> {
        self.current.load().get(name).cloned()
    }

    /// Puts a new generation in place of the present one. Exchanges that run keep what they have.
    pub fn swap(&self, generation: Generation) {
        self.current.store(Arc::new(generation));
    }
}

/// The longest name of a plugin, in bytes.
const MAX_NAME: usize = 64;

/// Whether `name` can be a plugin's: `[A-Za-z0-9][A-Za-z0-9._-]{0,63}`.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let may_follow = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    name.len() <= MAX_NAME
        && name.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
        && name.bytes().all(may_follow)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for name in ["a", "rot13", "A.b_c-9", &"x".repeat(64)] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", ".hidden", "-x", "_x", "a/b", "a+b", "a b", "a%20", "é", "a\0", &"x".repeat(65)] {
            assert!(!is_name(name), "{name}");
        }
    }
}
