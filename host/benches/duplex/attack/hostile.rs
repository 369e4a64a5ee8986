//! Attackers whose plugins are on their side.

use std::io::Write as _;
use std::sync::atomic::AtomicU64;

use super::network::{connect, done, read_away, reset};
use super::{Attacker, Field, Pace};

pub(super) fn all() -> Vec<Attacker> {
    let attacker = |name, count, attack| Attacker { name, count, attack };
    vec![
        attacker("plugin: endless loop", 2, endless_loop),
        attacker("plugin: memory", 1, memory),
        attacker("plugin: emits", 1, emits),
        attacker("plugin: log lines", 1, log_lines),
        attacker("plugin: traps", 1, traps),
    ]
}

/// They do it in `on_open`; what they import stands in front.
macro_rules! hostile {
    ($imports:literal, $on_open:literal) => {
        concat!(
            "(module ",
            $imports,
            r#"(memory (export "memory") 2)
            (func (export "chunk_buffer") (param i32) (result i32) (i32.const 65536))
            (func (export "on_chunk") (param i32 i32) (result i32) (i32.const 0))
            (func (export "on_open") (result i32) "#,
            $on_open,
            " (i32.const 0)))"
        )
    };
}

/// Name and text of each hostile plugin.
pub(super) const PLUGINS: [(&str, &str); 6] = [
    ("spin", hostile!("", "(loop $for_ever (br $for_ever))")),
    // All the memory there is, and every byte of it, again and again: a bulk instruction is not
    // interrupted.
    (
        "hog",
        hostile!(
            "",
            "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
            (loop $again
              (memory.fill (i32.const 0) (i32.const 7) (i32.mul (memory.size) (i32.const 65536)))
              (br $again))"
        ),
    ),
    (
        "chatter",
        hostile!(
            r#"(import "wasmplex" "emit" (func $emit (param i32 i32) (result i32)))"#,
            "(loop $again (drop (call $emit (i32.const 0) (i32.const 1))) (br $again))"
        ),
    ),
    (
        "amplify",
        hostile!(
            r#"(import "wasmplex" "emit" (func $emit (param i32 i32) (result i32)))"#,
            "(loop $again (drop (call $emit (i32.const 0) (i32.const 65536))) (br $again))"
        ),
    ),
    (
        "gossip",
        hostile!(
            r#"(import "wasmplex" "log" (func $log (param i32 i32 i32)))"#,
            "(loop $again (call $log (i32.const 4) (i32.const 0) (i32.const 65536)) (br $again))"
        ),
    ),
    ("trap", hostile!("", "unreachable")),
];

/// Exchanges with a plugin one after the other, at most so many a second, each to its end.
fn exchanges(field: &Field, count: &AtomicU64, plugin: &str, rate: u32) -> anyhow::Result<()> {
    let request = format!("GET /{plugin} HTTP/1.1\r\nhost: foe\r\nconnection: close\r\n\r\n");
    let mut pace = Pace::new(rate);
    while !field.is_retreat() {
        let Some(mut stream) = connect(field) else { continue };
        stream.write_all(request.as_bytes())?;
        done(count);
        // A silent moment is not the end.
        while !field.is_retreat() && !is_over(&stream) {
            read_away(&mut stream, field);
        }
        reset(&stream);
        pace.wait();
    }
    Ok(())
}

/// Whether the server has closed, or said that it will.
fn is_over(stream: &std::net::TcpStream) -> bool {
    match stream.peek(&mut [0]) {
        Ok(length) => length == 0,
        Err(error) => !matches!(
            error.kind(),
            std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut | std::io::ErrorKind::Interrupted
        ),
    }
}

/// Each until its budget of processor time is over, and at once again.
fn endless_loop(field: &Field, count: &AtomicU64) -> anyhow::Result<()> {
    exchanges(field, count, "spin", 100)
}

fn memory(field: &Field, count: &AtomicU64) -> anyhow::Result<()> {
    exchanges(field, count, "hog", 100)
}

fn emits(field: &Field, count: &AtomicU64) -> anyhow::Result<()> {
    exchanges(field, count, "chatter", 100)
}

fn log_lines(field: &Field, count: &AtomicU64) -> anyhow::Result<()> {
    exchanges(field, count, "gossip", 100)
}

fn traps(field: &Field, count: &AtomicU64) -> anyhow::Result<()> {
    exchanges(field, count, "trap", 200)
}
