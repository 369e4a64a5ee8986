//! Which plugins there are: an immutable table, swapped whole.
//!
//! Readers take the present [`Generation`] without a lock and keep what they found, so that a swap
//! never touches an exchange that runs.
//!
//! - [`manifest`]: what `NAME.json` settles;
//! - [`folder`]: what files there are, and what changed (pure);
//! - [`loader`]: from changes to a generation; bad files keep the last good version;
//! - [`watcher`]: the thread that notices changes, compiles and swaps.

pub mod folder;
mod limit_texts;
pub mod loader;
pub mod manifest;
pub mod routes;
pub mod show;
pub mod watcher;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use smallvec::SmallVec;

use crate::http::method::MethodSet;
use crate::metrics::Totals;
use crate::plugin::{MAX_STAGES, Plugin, printable};

/// A plugin under its name in a generation.
#[derive(Debug)]
pub struct Served {
    pub plugin: Arc<Plugin>,
    /// The methods that reach it.
    pub methods: MethodSet,
    /// What is counted for it.
    pub totals: Arc<Totals>,
    pub file: PathBuf,
    pub loaded_at: SystemTime,
}

/// The plugins of a route, in order: one, most often.
pub type Stages = SmallVec<[Arc<Served>; 1]>;

/// Why something in the folder is not served as it stands there, and since when.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    pub reason: String,
    pub since: SystemTime,
}

/// A name in the folder: what is served under it, and what is wrong with it.
#[derive(Clone, Debug)]
pub struct Entry {
    pub file: PathBuf,
    pub served: Option<Arc<Served>>,
    pub problem: Option<Problem>,
}

/// What a route of `routes.json` came to.
#[derive(Clone, Debug)]
pub struct Alias {
    /// Names of plugins.
    pub names: Vec<String>,
    /// The plugins, or why there are none.
    pub stages: Result<Vec<Arc<Served>>, String>,
}

/// One version of the whole table.
#[derive(Debug, Default)]
pub struct Generation {
    number: u64,
    plugins: HashMap<Box<str>, Arc<Served>>,
    entries: BTreeMap<String, Entry>,
    aliases: BTreeMap<String, Alias>,
    problems: Vec<folder::Bad>,
}

/// Why a route leads nowhere.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NoRoute {
    /// A name that is not there.
    Unknown,
    /// More than [`MAX_STAGES`] stages.
    TooLong,
}

impl Generation {
    /// A generation of these entries and routes.
    #[must_use]
    pub fn new(
        number: u64,
        entries: BTreeMap<String, Entry>,
        routes: &BTreeMap<String, Vec<String>>,
        problems: Vec<folder::Bad>,
    ) -> Self {
        let plugins: HashMap<Box<str>, Arc<Served>> = entries
            .iter()
            .filter_map(|(name, entry)| Some((name.as_str().into(), Arc::clone(entry.served.as_ref()?))))
            .collect();
        let find = |name: &String| {
            plugins.get(name.as_str()).cloned().ok_or_else(|| format!("there is no plugin {name}"))
        };
        let alias = |(alias, names): (&String, &Vec<String>)| {
            let stages = if entries.contains_key(alias) {
                Err("a plugin has this name".to_owned())
            } else {
                names.iter().map(find).collect()
            };
            (alias.clone(), Alias { names: names.clone(), stages })
        };
        let aliases = routes.iter().map(alias).collect();
        Self { number, plugins, entries, aliases, problems }
    }

    /// The stages of a route: `a`, `a+b+c`, or with aliases in it.
    ///
    /// # Errors
    ///
    /// See [`NoRoute`].
    pub fn resolve(&self, route: &str) -> Result<Stages, NoRoute> {
        if route.split('+').count() > MAX_STAGES {
            return Err(NoRoute::TooLong);
        }
        let mut stages = Stages::new();
        for name in route.split('+') {
            if let Some(served) = self.plugins.get(name) {
                stages.push(Arc::clone(served));
                continue;
            }
            match self.aliases.get(name).map(|alias| &alias.stages) {
                Some(Ok(more)) => stages.extend(more.iter().map(Arc::clone)),
                Some(Err(_)) | None => return Err(NoRoute::Unknown),
            }
        }
        if stages.len() > MAX_STAGES { Err(NoRoute::TooLong) } else { Ok(stages) }
    }

    /// Counts up with every change.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// What is served under this name.
    #[must_use]
    pub fn served(&self, name: &str) -> Option<&Arc<Served>> {
        self.plugins.get(name)
    }

    /// All names, served or not, in order.
    #[must_use]
    pub const fn entries(&self) -> &BTreeMap<String, Entry> {
        &self.entries
    }

    /// The routes of `routes.json`.
    #[must_use]
    pub const fn aliases(&self) -> &BTreeMap<String, Alias> {
        &self.aliases
    }

    /// Files that are nobody's.
    #[must_use]
    pub fn problems(&self) -> &[folder::Bad] {
        &self.problems
    }
}

/// The table that requests look into.
#[derive(Debug, Default)]
pub struct Registry {
    current: ArcSwap<Generation>,
}

impl Registry {
    /// The stages of a route, all of one generation.
    ///
    /// # Errors
    ///
    /// See [`NoRoute`].
    pub fn resolve(&self, route: &str) -> Result<Stages, NoRoute> {
        self.current.load().resolve(route)
    }

    /// The present generation.
    #[must_use]
    pub fn current(&self) -> Arc<Generation> {
        self.current.load_full()
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

/// The longest reason, in bytes: what it quotes of a file may be long.
const MAX_REASON: usize = 1024;

/// What is wrong with a file, in one line, whatever stands in the file.
fn in_a_line(reason: &str) -> String {
    printable(reason.as_bytes(), MAX_REASON)
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
