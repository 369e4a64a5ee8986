//! What every test needs: the real server as a child, a raw client, plugins by name.
//!
//! Nothing here sleeps to wait for an effect. Each wait watches for the effect itself and gives up,
//! with the reason, after `DEADLINE`.

mod admin;
mod canary;
mod capsules;
mod client;
mod exact;
mod folder;
mod idle;
mod ledger;
mod log;
mod metrics;
mod mill;
mod pattern;
mod piped;
mod process;
mod program;
mod random;
mod raw;
mod reply;
mod request;
mod response;
mod script;
mod server;
mod tls;
mod tools;
mod versions;
mod websocket;

use std::time::{Duration, Instant};

pub use admin::ADMIN;
pub use canary::Canary;
pub use capsules::{Capsules, fussy, replay};
pub use client::Client;
pub use exact::{at_once, byte_by_byte, odd};
pub use folder::{Folder, fixture, fixtures};
pub use idle::Held;
pub use ledger::{Item, Ledger};
pub use log::Log;
pub use metrics::{Metrics, Sample, is_name};
pub use mill::{Before, Milling, Reign, TAG, ground, mill, version_of};
pub use pattern::{Blocks, KIB, MIB, letters, noise, rot13};
pub use piped::Piped;
pub use process::Process;
pub use program::Program;
pub use random::{Random, seed, soak_time};
pub use raw::UPGRADE;
pub use reply::Reply;
pub use request::{CHUNKED, LAST_CHUNK, request, wire_chunk};
pub use response::{Answer, Ending, Head, Step};
pub use script::{Act, Script, quiet, say};
pub use server::{Server, wasmplex};
pub use tls::{Authority, Certified, HOST, Trust, pair_flags};
pub use tools::{command, ran};
pub use versions::{version_plugin, whole};
pub use websocket::{HANDSHAKE, Opcode, WebSocket, masked};

/// How long any single wait may take on a busy machine with an unoptimised host.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Limits so far away that nothing a test sees can be their doing.
pub const FAR_LIMITS: &[&str] =
    &["--cpu-per-call", "10m", "--time-per-call", "10m", "--write-timeout", "10m"];

/// Polls until `found` gives a value.
pub fn eventually<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(value) = found() {
            return value;
        }
        assert!(begun.elapsed() < DEADLINE, "gave up waiting for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
