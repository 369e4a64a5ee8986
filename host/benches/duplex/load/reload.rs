//! What a stream feels of a plugin beside it that changes again and again.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use super::{Sample, joined};
use crate::connection::{Connection, ROUTE};
use crate::figures::at;
use crate::pattern::{PATTERN, PERIOD, wire_chunk};
use crate::server::Server;
use crate::steps::Steps;

/// How many times the usual time one phase lasts, and how long at the least: a p99 needs many round trips,
/// and a plugin its time to be compiled.
const LONGER: u32 = 6;
const SHORTEST: Duration = Duration::from_secs(1);

/// From one piece to the next.
const STEP: Duration = Duration::from_millis(1);

/// From one version of the plugin to the next.
const CHANGE: Duration = Duration::from_millis(200);

/// A version that is not served by then will not be.
const PATIENCE: Duration = Duration::from_secs(20);

const SIZE: usize = 64;
const READ: usize = 1024;

/// What the plugin answers with; its place in the file is where the number of the version goes.
const MARK: &str = "VERSION0";

/// About as many functions make 64 KiB.
const FUNCTIONS: usize = 430;

/// Round trips on one stream, each at its time: first in quiet, then while a plugin of 64 KiB is replaced
/// every 200 ms, compiled and served.
pub(super) fn run(server: &Server, time: Duration) -> anyhow::Result<Sample> {
    let mut plugin = Changing::new(server)?;
    plugin.replace()?;
    plugin.wait_until_served()?;
    let time = SHORTEST.max(time * LONGER);
    let quiet = waits(server, time)?;
    let stop = AtomicBool::new(false);
    let changed = thread::scope(|scope| {
        let changes = scope.spawn(|| plugin.change_until(&stop));
        let changed = waits(server, time);
        stop.store(true, Ordering::Relaxed);
        let versions = joined(changes).context("the plugin that changes")?;
        ensure!(versions > 1, "no new version was served meanwhile");
        changed
    })?;
    let ([quiet_half, quiet_most], [changed_half, changed_most]) = (quiet, changed);
    Ok(Sample(vec![
        ("p50 us, quiet", quiet_half),
        ("p50 us, changes", changed_half),
        ("p50, changes / quiet", changed_half / quiet_half),
        ("p99 us, quiet", quiet_most),
        ("p99 us, changes", changed_most),
        ("p99, changes / quiet", changed_most / quiet_most),
    ]))
}

/// Median and 99th percentile of how long round trips took, in microseconds.
fn waits(server: &Server, time: Duration) -> anyhow::Result<[f64; 2]> {
    let mut connection = Connection::open_stream(server.address(), READ, ROUTE)?;
    let begin = Instant::now();
    let mut steps = Steps::new(begin, STEP);
    let (mut wire, mut at_byte, mut waits) = (Vec::new(), 0, Vec::new());
    while begin.elapsed() < time {
        wire.clear();
        wire_chunk(&mut wire, PATTERN.plain(at_byte..at_byte + SIZE));
        let since = steps.next();
        connection.send(&wire)?;
        connection.read_exactly(PATTERN.rotated(at_byte..at_byte + SIZE))?;
        waits.push(since.elapsed().as_secs_f64() * 1e6);
        at_byte = (at_byte + SIZE) % PERIOD;
    }
    connection.end_stream()?;
    waits.sort_by(f64::total_cmp);
    Ok([0.50, 0.99].map(|share| at(&waits, share)))
}

/// A plugin of which there are many versions.
struct Changing<'a> {
    server: &'a Server,
    module: Vec<u8>,
    /// Where the number of the version stands in it.
    mark: usize,
    version: String,
}

impl<'a> Changing<'a> {
    fn new(server: &'a Server) -> anyhow::Result<Self> {
        let module = wat::parse_str(text())?;
        let mark = module.windows(MARK.len()).position(|bytes| bytes == MARK.as_bytes());
        Ok(Self { server, module, mark: mark.context("no mark")?, version: String::new() })
    }

    /// Puts a version into the folder that was never there before.
    fn replace(&mut self) -> anyhow::Result<()> {
        let now = std::time::UNIX_EPOCH.elapsed()?;
        self.version = format!("{:08x}", now.as_millis() & 0xffff_ffff);
        self.module[self.mark..][..MARK.len()].copy_from_slice(self.version.as_bytes());
        self.server.folder()?.put("changing.wasm", &self.module)
    }

    /// Replaces it again and again, and says how many versions were seen to be served.
    fn change_until(&mut self, stop: &AtomicBool) -> anyhow::Result<usize> {
        let mut seen = vec![self.served()?];
        while !stop.load(Ordering::Relaxed) {
            self.replace()?;
            thread::sleep(CHANGE);
            let version = self.served()?;
            if seen.last() != Some(&version) {
                seen.push(version);
            }
        }
        // What is compiled afterwards would be in the next run's way.
        self.wait_until_served()?;
        Ok(seen.len())
    }

    fn wait_until_served(&self) -> anyhow::Result<()> {
        let begin = Instant::now();
        while self.served()?.as_deref() != Some(&self.version) {
            ensure!(begin.elapsed() < PATIENCE, "a new version is not served after {PATIENCE:?}");
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// The version that answers, if one does.
    fn served(&self) -> anyhow::Result<Option<String>> {
        let mut connection = Connection::open(self.server.address(), READ)?;
        connection.send(b"GET /changing HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n")?;
        if connection.read_head().is_err() {
            return Ok(None);
        }
        Ok(Some(String::from_utf8(connection.read_some(MARK.len())?.to_vec())?))
    }
}

/// A plugin that answers with its version, and has many functions that nobody calls.
fn text() -> String {
    let mut text = format!(
        r#"(module
            (import "wasmplex" "emit" (func $emit (param i32 i32) (result i32)))
            (memory (export "memory") 2)
            (data (i32.const 0) "{MARK}")
            (func (export "chunk_buffer") (param i32) (result i32) (i32.const 65536))
            (func (export "on_chunk") (param i32 i32) (result i32) (i32.const 0))
            (func (export "on_open") (result i32)
              (drop (call $emit (i32.const 0) (i32.const {})))
              (i32.const 1))"#,
        MARK.len()
    );
    for number in 0..FUNCTIONS {
        // Writing into a String cannot fail.
        let _ = write!(text, "{}", function(number));
    }
    text + ")"
}

/// A loop over memory with a condition and some arithmetic.
fn function(number: usize) -> String {
    format!(
        "(func (param $at i32) (param $end i32) (result i32)
          (local $sum i32) (local $old i32)
          (loop $next
            (local.set $old (i32.load offset={number} (local.get $at)))
            (if (i32.lt_u (local.get $old) (i32.const {number}))
              (then (local.set $sum (i32.rotl (i32.add (local.get $sum) (local.get $old)) (i32.const 7))))
              (else (local.set $sum (i32.xor (i32.mul (local.get $sum) (i32.const 16777619)) (local.get $old)))))
            (i32.store offset=65536 (local.get $at) (i32.add (local.get $sum) (i32.const {number})))
            (i32.store8 offset=65540 (local.get $at) (i32.popcnt (local.get $old)))
            (i64.store offset=65544 (local.get $at)
              (i64.mul (i64.extend_i32_u (local.get $old)) (i64.extend_i32_s (local.get $sum))))
            (i32.store16 offset=65552 (local.get $at)
              (select (i32.clz (local.get $sum)) (i32.ctz (local.get $old)) (i32.and (local.get $sum) (i32.const 1))))
            (local.set $at (i32.add (local.get $at) (i32.const 4)))
            (br_if $next (i32.lt_u (local.get $at) (local.get $end))))
          (local.get $sum))"
    )
}
