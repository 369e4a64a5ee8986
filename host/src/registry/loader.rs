//! From changes in the folder to a generation. Whatever does not load changes nothing: the last good
//! version goes on serving, and the next good file heals it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Context as _;

use super::folder::{self, Bad, Change, Found, Snapshot, Stamp};
use super::manifest::{self, Policy, Settled};
use super::{Entry, Generation, Problem, Registry, Served, routes};
use crate::metrics::Metrics;
use crate::plugin::{Code, CodeCache, Digest, Engine, Plugin, probe};

/// What a [`Loader`] works with.
#[derive(Debug)]
pub struct LoaderOptions {
    pub folder: PathBuf,
    pub policy: Policy,
    /// Where compiled code is kept.
    pub cache: Option<CodeCache>,
}

/// Keeps the table in step with the folder.
pub struct Loader {
    options: LoaderOptions,
    engine: Engine,
    registry: Arc<Registry>,
    metrics: Arc<Metrics>,
    /// Drives the calls of probes.
    runtime: tokio::runtime::Runtime,
    /// Compiles while the server runs.
    pool: Option<rayon::ThreadPool>,
    number: u64,
    entries: BTreeMap<String, Entry>,
    /// The files behind `entries`, as they were when they were read.
    found: BTreeMap<String, Found>,
    routes: BTreeMap<String, Vec<String>>,
    /// `routes.json` as it was when it was read; `None`: it never was.
    routes_seen: Option<Option<Stamp>>,
    routes_problem: Option<Bad>,
    bad: Vec<Bad>,
}

/// What a look at the folder left.
#[derive(Debug)]
pub struct Looked {
    pub snapshot: Snapshot,
    /// Something changed that was left for later.
    pub is_unsettled: bool,
}

/// Why a file was not loaded.
enum NotLoaded {
    /// It changed while it was read.
    Torn,
    Refused(String),
}

impl Loader {
    /// An empty table.
    ///
    /// # Errors
    ///
    /// When the system has nothing to run probes with.
    pub fn new(
        engine: Engine,
        registry: Arc<Registry>,
        metrics: Arc<Metrics>,
        options: LoaderOptions,
    ) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Ok(Self {
            options,
            engine,
            registry,
            metrics,
            runtime: runtime.context("no event loop for probes")?,
            pool: None,
            number: 0,
            entries: BTreeMap::new(),
            found: BTreeMap::new(),
            routes: BTreeMap::new(),
            routes_seen: None,
            routes_problem: None,
            bad: Vec::new(),
        })
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.options.folder
    }

    /// From now on compiles in these threads.
    pub(super) fn compile_in(&mut self, pool: rayon::ThreadPool) {
        self.pool = Some(pool);
    }

    /// Looks at the folder, loads what changed, and swaps the table if that changed anything.
    /// `is_forced` reads every file again. Files for which `is_busy` says so wait.
    ///
    /// # Errors
    ///
    /// When the folder cannot be read: nothing changes then.
    pub fn reconcile(&mut self, is_forced: bool, is_busy: impl Fn(&Found) -> bool) -> anyhow::Result<Looked> {
        let snapshot = folder::look(&self.options.folder)?;
        if is_forced {
            self.routes_seen = None;
        }
        let changes = folder::diff(&self.found, &snapshot.plugins, is_forced, &is_busy);
        let mut is_changed = self.number == 0;
        let (gone, loads): (Vec<_>, Vec<_>) =
            changes.into_iter().partition(|(_, change)| *change == Change::Remove);
        for (name, change) in loads {
            if let Change::Load(found) = change {
                is_changed |= self.change(&name, found);
            }
        }
        // Only now: a file that was renamed finds the code of its old name.
        for (name, _) in gone {
            self.found.remove(&name);
            self.entries.remove(&name);
            tracing::info!(plugin = name.as_str(), "removed");
            is_changed = true;
        }
        if self.routes_seen != Some(snapshot.routes.module) && !is_busy(&snapshot.routes) {
            is_changed |= self.read_routes(&snapshot.routes);
        }
        is_changed |= self.note_bad(&snapshot.bad);
        if is_changed {
            self.publish();
        }
        let is_unsettled = self.routes_seen != Some(snapshot.routes.module)
            || snapshot.plugins.iter().any(|(name, found)| self.found.get(name) != Some(found));
        Ok(Looked { snapshot, is_unsettled })
    }

    /// Loads the files of one name. Returns whether the table changed.
    fn change(&mut self, name: &str, found: Found) -> bool {
        let before = self.entries.get(name).and_then(|entry| entry.served.clone());
        let file = found.file.clone();
        let outcome = self.load(name, &found, before.as_ref());
        if let Err(NotLoaded::Torn) = outcome {
            return false;
        }
        self.found.insert(name.to_owned(), found);
        let had_problem = self.entries.get(name).is_some_and(|entry| entry.problem.is_some());
        let (served, problem) = match outcome {
            Ok(None) if !had_problem => return false,
            Ok(None) => (before, None),
            Ok(Some(served)) => {
                self.metrics.host.good_reloads.increment();
                let code = served.plugin.code();
                tracing::info!(
                    plugin = name,
                    version = code.version(),
                    compile_ms = code.compile_time().as_millis() as u64,
                    cached = code.is_cached(),
                    "loaded"
                );
                (Some(served), None)
            }
            Err(NotLoaded::Torn) => return false,
            Err(NotLoaded::Refused(reason)) => {
                self.metrics.host.bad_reloads.increment();
                let serving = before.as_ref().map_or("nothing", |served| served.plugin.version());
                tracing::error!(plugin = name, ?file, reason = reason.as_str(), serving, "not loaded");
                (before, Some(Problem { reason, since: SystemTime::now() }))
            }
        };
        self.entries.insert(name.to_owned(), Entry { file, served, problem });
        true
    }

    /// Reads, checks, compiles and tries one plugin. `None`: it is what is served already.
    fn load(
        &self,
        name: &str,
        found: &Found,
        before: Option<&Arc<Served>>,
    ) -> Result<Option<Arc<Served>>, NotLoaded> {
        let read = folder::read(&found.file);
        let settled = manifest::load(&found.file, &self.options.policy);
        let is_torn = Stamp::of(&found.file) != found.module
            || manifest::path_of(&found.file).as_deref().and_then(Stamp::of) != found.manifest
            || !folder::is_there(&found.file);
        if is_torn {
            return Err(NotLoaded::Torn);
        }
        let bytes = read.map_err(|error| NotLoaded::Refused(format!("{error:#}")))?;
        let Settled { settings, methods } = settled.map_err(NotLoaded::Refused)?;
        let digest = Digest::of(&bytes);
        let is_same = before.is_some_and(|before| {
            *before.plugin.code().digest() == digest
                && *before.plugin.settings() == settings
                && before.methods == methods
        });
        if is_same {
            return Ok(None);
        }
        let code = match self.known_code(&digest) {
            Some(code) => code,
            None => self.compile(&bytes)?,
        };
        let refused = |reason: String| NotLoaded::Refused(reason);
        let plugin = Plugin::new(&self.engine, name, code, settings);
        let plugin = plugin.map_err(|error| refused(error.to_string()))?;
        self.runtime.block_on(probe(&plugin)).map_err(refused)?;
        let totals = self.metrics.totals(name, plugin.version());
        let file = found.file.clone();
        Ok(Some(Arc::new(Served { plugin, methods, totals, file, loaded_at: SystemTime::now() })))
    }

    /// The same code, if it is served already: under another name, or with another manifest.
    fn known_code(&self, digest: &Digest) -> Option<Arc<Code>> {
        let served = self.entries.values().filter_map(|entry| entry.served.as_ref());
        served.map(|served| served.plugin.code()).find(|code| code.digest() == digest).cloned()
    }

    fn compile(&self, bytes: &[u8]) -> Result<Arc<Code>, NotLoaded> {
        let load = || Code::load(&self.engine, bytes, self.options.cache.as_ref());
        let code = match &self.pool {
            Some(pool) => pool.install(load),
            None => load(),
        };
        code.map_err(|error| NotLoaded::Refused(error.to_string()))
    }

    fn read_routes(&mut self, found: &Found) -> bool {
        self.routes_seen = Some(found.module);
        let file = found.file.clone();
        let parsed = match manifest::read(&file) {
            Ok(Some(bytes)) => routes::parse(&bytes),
            Ok(None) => Ok(BTreeMap::new()),
            Err(reason) => Err(reason),
        };
        let (routes, problem) = match parsed {
            Ok(routes) => (routes, None),
            Err(reason) => {
                self.metrics.host.bad_reloads.increment();
                tracing::error!(?file, reason = reason.as_str(), "not loaded; the routes stay as they are");
                (self.routes.clone(), Some(Bad { file, reason }))
            }
        };
        let is_changed = routes != self.routes || problem != self.routes_problem;
        self.routes = routes;
        self.routes_problem = problem;
        is_changed
    }

    fn note_bad(&mut self, bad: &[Bad]) -> bool {
        for bad in bad.iter().filter(|bad| !self.bad.contains(bad)) {
            tracing::error!(file = ?bad.file, reason = bad.reason.as_str(), serving = "nothing", "not loaded");
        }
        let is_changed = self.bad != bad;
        self.bad = bad.to_vec();
        is_changed
    }

    /// Swaps the table.
    fn publish(&mut self) {
        self.number += 1;
        let problems = self.bad.iter().chain(&self.routes_problem).cloned().collect();
        let generation = Generation::new(self.number, self.entries.clone(), &self.routes, problems);
        for (route, alias) in generation.aliases() {
            if let Err(reason) = &alias.stages {
                tracing::warn!(route = route.as_str(), reason = reason.as_str(), "route not served");
            }
        }
        let plugins = self.entries.values().filter(|entry| entry.served.is_some()).count();
        let refused = self.entries.values().filter(|entry| entry.problem.is_some()).count();
        self.registry.swap(generation);
        tracing::info!(number = self.number, plugins, refused, "generation");
        if plugins == 0 {
            tracing::warn!(folder = %self.options.folder.display(), "there is no plugin to serve in the folder");
        }
        let current = self.registry.current();
        self.metrics.settle(|name| current.served(name).map(|served| served.plugin.version()));
    }
}
