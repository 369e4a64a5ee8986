//! Plugin files: arbitrary bytes through load and, if they load, one exchange.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use wasmplex::golden::{Case, Ending, Runner};
use wasmplex::http::method::Method;
use wasmplex::plugin::{Code, Engine, EngineOptions, Limits, Plugin, Settings, inspect, probe};

/// Longer files say nothing new, and compile for longer.
const MAX_INPUT: usize = 64 * 1024;

/// Places for a pipe's worth of instances: components may take several.
const INSTANCES: u32 = 8;

/// The most bytes that a plugin may emit here.
const EMITTED: u64 = 1 << 20;

/// So tiny that an input is over soon, whatever it does.
const LIMITS: Limits = Limits {
    memory: 1 << 20,
    memory_per_exchange: 1 << 20,
    cpu_per_call: Duration::from_millis(20),
    time_per_call: Duration::from_millis(100),
    cpu_per_exchange: Some(Duration::from_millis(100)),
    emitted: Some(EMITTED),
    received: Some(1 << 20),
    log_lines: Some(20),
};

/// A plugin may set timers for ever; its exchange is dropped then.
const PATIENCE: Duration = Duration::from_millis(300);

/// Any file is a plugin or is refused with a reason, and `inspect` says the same; any plugin's exchange
/// comes to an end within its limits, or is dropped in the middle of it, and the host goes on.
pub fn property(data: &[u8]) {
    let data = &data[..data.len().min(MAX_INPUT)];
    let engine = engine();
    let loaded = Code::load(engine, data, None);
    let looked = inspect(engine, data, &LIMITS);
    let plugin = match loaded {
        Err(error) => {
            let reason = error.to_string();
            assert!(
                !reason.trim().is_empty() && !reason.contains(char::is_control),
                "not a line: {reason:?}"
            );
            assert_eq!(looked.verdict.err().map(|error| error.to_string()), Some(reason));
            return;
        }
        Ok(code) if code.slots() > engine.max_instances() => return,
        Ok(code) => Plugin::new(engine, "fuzz", code, Settings { limits: LIMITS, ..Settings::default() }),
    };
    assert_eq!(looked.verdict.is_ok(), plugin.is_ok(), "inspect and load disagree");
    let Ok(plugin) = plugin else {
        return;
    };
    if is_served(&plugin) {
        exchange(&plugin);
    }
}

fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE
        .get_or_init(|| Engine::new(&EngineOptions { max_instances: INSTANCES }).expect("room for instances"))
}

/// As the registry does before anybody is served.
fn is_served(plugin: &Arc<Plugin>) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("an event loop");
    let tried = runtime.block_on(async { tokio::time::timeout(PATIENCE, probe(plugin)).await });
    // Without waiting for an operation that hangs.
    runtime.shutdown_background();
    matches!(tried, Ok(Ok(())))
}

fn exchange(plugin: &Arc<Plugin>) {
    let body = b"The quick brown fox jumps over the lazy dog.\n\0\xff".repeat(8);
    let half = body.len() / 2;
    let pieces = [1, half, body.len() - half - 1];
    let case = Case {
        name: "fuzz".to_owned(),
        body: Some(body),
        method: Method::Post,
        target: Some("/fuzz?query".to_owned()),
        fields: BTreeMap::from([("x-a".to_owned(), "b".to_owned())]),
        expected: Default::default(),
        output_file: PathBuf::new(),
    };
    let runner = Runner::new(Arc::clone(plugin), PATIENCE).expect("an event loop");
    let observed = runner.run(&case, &pieces);
    assert!(observed.output.len() as u64 <= EMITTED, "{} bytes emitted", observed.output.len());
    assert!(observed.used.memory <= LIMITS.memory as u64, "{} bytes of memory", observed.used.memory);
    assert!(observed.status.is_none_or(|status| (200..600).contains(&status)), "{:?}", observed.status);
    if let Ending::Failed { kind, reason } = observed.ending {
        assert!(!kind.is_empty() && !reason.trim().is_empty());
    }
}
