//! From changes in the folder to a generation. Whatever does not load changes nothing: the last good
//! version goes on serving, and the next good file heals it.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context as _;

use super::folder::{self, Bad, Change, Found, Snapshot, Stamp};
use super::manifest::{self, Policy, Settled};
use super::{Entry, Generation, Problem, Registry, Served, routes};
use crate::metrics::Metrics;
use crate::plugin::{Code, CodeCache, Digest, Engine, Plugin, probe};

/// How long new code is tried. Less than what its budgets allow, since nothing else is loaded
/// meanwhile; what is not ready by then would also keep its first byte waiting.
const MAX_PROBE: Duration = Duration::from_secs(1);

/// A file that took so long to load is served at once, without waiting for what else changed.
const LONG: Duration = Duration::from_millis(100);

/// A file of so many bytes takes long to compile: what changed before it is served at once.
const LARGE: u64 = 64 * 1024;

/// What a [`Loader`] works with.
#[derive(Debug)]
pub struct LoaderOptions {
    pub folder: PathBuf,
    pub policy: Policy,
    /// Where compiled code is kept.
    pub cache: Option<CodeCache>,
    /// Whether code keeps the bytes of its file, for capsules.
    pub keeps_source: bool,
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
    /// Code of names that went away in this look.
    gone: Vec<Arc<Code>>,
    /// The files behind `entries`, as they were when they were read.
    found: BTreeMap<String, Found>,
    routes: BTreeMap<String, Vec<String>>,
    /// `routes.json` as it was when it was read.
    routes_seen: Option<Stamp>,
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
            gone: Vec::new(),
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
        let changes = folder::diff(&self.found, &snapshot.plugins, is_forced, &is_busy);
        let mut is_changed = self.number == 0;
        let mut loads = Vec::new();
        for (name, change) in changes {
            match change {
                Change::Load(found) => loads.push((name, found)),
                Change::Remove => is_changed |= self.remove(&name),
            }
        }
        // Small ones first, and nobody waits long for those before it: one large or bad file must not
        // hold up the others.
        loads.sort_by_key(|(_, found)| found.module.map(|stamp| stamp.size()));
        for (name, found) in loads {
            let began = Instant::now();
            if is_changed && self.is_large(&found) {
                self.publish();
                is_changed = false;
            }
            is_changed |= self.change(&name, found);
            if is_changed && began.elapsed() > LONG {
                self.publish();
                is_changed = false;
            }
        }
        self.gone.clear();
        if (is_forced || self.routes_seen != snapshot.routes.module) && !is_busy(&snapshot.routes) {
            is_changed |= self.read_routes(&snapshot.routes);
        }
        is_changed |= self.note_bad(&snapshot.bad);
        if is_changed {
            self.publish();
        }
        let is_unsettled = self.routes_seen != snapshot.routes.module
            || snapshot.plugins.iter().any(|(name, found)| self.found.get(name) != Some(found));
        Ok(Looked { snapshot, is_unsettled })
    }

    fn remove(&mut self, name: &str) -> bool {
        self.found.remove(name);
        let entry = self.entries.remove(name);
        // A file that was renamed finds the code of its old name.
        let served = entry.and_then(|entry| entry.served);
        self.gone.extend(served.map(|served| Arc::clone(served.plugin.code())));
        tracing::info!(plugin = name, "removed");
        true
    }

    /// Whether loading it may take long.
    fn is_large(&self, found: &Found) -> bool {
        self.number > 0 && found.module.is_some_and(|stamp| stamp.size() > LARGE)
    }

    /// Loads the files of one name. Returns whether the table changed.
    fn change(&mut self, name: &str, found: Found) -> bool {
        let before = self.entries.get(name).and_then(|entry| entry.served.clone());
        let file = found.file.clone();
        let outcome = match self.load(name, &found, before.as_ref()) {
            Err(NotLoaded::Torn) => return false,
            Err(NotLoaded::Refused(reason)) => Err(reason),
            Ok(served) => Ok(served),
        };
        self.found.insert(name.to_owned(), found);
        let had_problem = self.entries.get(name).is_some_and(|entry| entry.problem.is_some());
        let (served, problem) = match outcome {
            Ok(None) if !had_problem => return self.moved(name, file),
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
            Err(reason) => {
                self.metrics.host.bad_reloads.increment();
                let serving = before.as_ref().map_or("nothing", |served| served.plugin.version());
                tracing::error!(plugin = name, ?file, reason = reason.as_str(), serving, "not loaded");
                (before, Some(Problem { reason, since: SystemTime::now() }))
            }
        };
        self.entries.insert(name.to_owned(), Entry { file, served, problem });
        true
    }

    /// The same plugin is in another file now.
    fn moved(&mut self, name: &str, file: PathBuf) -> bool {
        match self.entries.get_mut(name) {
            Some(entry) if entry.file != file => {
                entry.file = file;
                true
            }
            _ => false,
        }
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
            || manifest::path_of(&found.file).as_deref().and_then(Stamp::of) != found.manifest;
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
        if self.options.keeps_source {
            code.keep_source(bytes);
        }
        let refused = |reason: String| NotLoaded::Refused(reason);
        let (slots, most) = (code.slots(), self.engine.max_instances());
        if slots > most {
            return Err(refused(format!(
                "an instance of it takes {slots} of the places that --max-exchanges counts, and there are {most}"
            )));
        }
        let plugin = Plugin::new(&self.engine, name, code, settings);
        let plugin = plugin.map_err(|error| refused(error.to_string()))?;
        self.runtime.block_on(self.probe(&plugin)).map_err(refused)?;
        let totals = self.metrics.totals(name, plugin.version());
        let file = found.file.clone();
        Ok(Some(Arc::new(Served { plugin, methods, totals, file, loaded_at: SystemTime::now() })))
    }

    /// Tries a plugin, for a short while: others wait.
    async fn probe(&self, plugin: &Arc<Plugin>) -> Result<(), String> {
        let tried = tokio::time::timeout(MAX_PROBE, probe(plugin)).await;
        tried.unwrap_or_else(|_| Err(format!("an instance of it is not ready within {MAX_PROBE:?}")))
    }

    /// The same code, if it is served already: under another name, or with another manifest.
    fn known_code(&self, digest: &Digest) -> Option<Arc<Code>> {
        let served = self.entries.values().filter_map(|entry| entry.served.as_ref());
        let codes = served.map(|served| served.plugin.code()).chain(&self.gone);
        codes.into_iter().find(|code| code.digest() == digest).cloned()
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
        self.routes_seen = found.module;
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
                (self.routes.clone(), Some(Bad { file, reason, is_source: false }))
            }
        };
        let is_changed = routes != self.routes || problem != self.routes_problem;
        self.routes = routes;
        self.routes_problem = problem;
        is_changed
    }

    fn note_bad(&mut self, bad: &[Bad]) -> bool {
        if self.bad == bad {
            return false;
        }
        let known: HashSet<&Path> = self.bad.iter().map(|bad| bad.file.as_path()).collect();
        for bad in bad.iter().filter(|bad| !known.contains(bad.file.as_path())) {
            let (file, reason) = (&bad.file, bad.reason.as_str());
            if bad.is_source {
                tracing::info!(?file, reason, "not loaded");
            } else {
                tracing::error!(?file, reason, serving = "nothing", "not loaded");
            }
        }
        self.bad = bad.to_vec();
        true
    }

    /// Swaps the table.
    fn publish(&mut self) {
        self.number += 1;
        let problems =
            self.bad.iter().filter(|bad| !bad.is_source).chain(&self.routes_problem).cloned().collect();
        let generation = Generation::new(self.number, self.entries.clone(), &self.routes, problems);
        let before = self.registry.current();
        for (route, alias) in generation.aliases() {
            let known = before.aliases().get(route).and_then(|alias| alias.stages.as_ref().err());
            if let Err(reason) = &alias.stages
                && known != Some(reason)
            {
                tracing::warn!(route = route.as_str(), reason = reason.as_str(), "route not served");
            }
        }
        let plugins = self.entries.values().filter(|entry| entry.served.is_some()).count();
        let refused = self.entries.values().filter(|entry| entry.problem.is_some()).count();
        // From here on only exchanges hold it.
        drop(before);
        self.registry.swap(generation);
        tracing::info!(number = self.number, plugins, refused, "generation");
        if plugins == 0 {
            tracing::warn!(folder = %self.options.folder.display(), "there is no plugin to serve in the folder");
        }
        let current = self.registry.current();
        self.metrics.settle(|name| current.served(name).map(|served| served.plugin.version()));
    }
}
