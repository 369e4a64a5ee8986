//! End-to-end tests: the real `wasmplex` binary, over real sockets and pipes.
//!
//! Each module is one subject of the contract. `harness` starts the server on a free port with the
//! plugins that a test names (from `tests/fixtures`, and the `rot13` sample), and has a raw client
//! that sees every byte. Beside the standard library it uses `serde_json` and `socket2`, and for TLS
//! what the host uses and `rcgen`.

#![expect(unreachable_pub, reason = "in a test binary, pub says what a module offers to the others")]

mod harness;

mod access;
mod admin;
mod authors;
mod backpressure;
mod bounds;
mod budgets;
mod bulk;
mod cache;
mod capsules;
mod cli;
mod codes;
mod commands;
mod commands_bad;
mod components;
mod cuts;
mod differential;
mod drops;
mod duplex;
mod early;
mod exchanges;
mod expect;
mod flush;
mod fuzz;
mod grants;
mod heads;
mod hold;
mod hostile;
mod http10;
mod isolation;
mod keepalive;
mod layers;
mod limits;
mod listen;
mod logs;
mod manager;
mod manifest_heads;
mod manifest_limits;
mod manifests;
mod memory;
mod metrics;
mod niceness;
mod patience;
mod pieces;
mod pipes;
mod raw;
mod refused;
mod regressions;
mod reload;
mod reload_bad;
mod reload_files;
mod reload_live;
mod replay;
mod requests;
mod responses;
mod routes;
mod run;
mod sample_table;
mod samples;
mod shutdown;
mod soak;
mod spool;
mod swaps;
mod tcp;
mod timers;
mod tls;
mod tools;
mod unix;
mod upgrade;
mod upgrade_asked;
mod vanish;
mod wasi;
mod watch;
mod websocket;
