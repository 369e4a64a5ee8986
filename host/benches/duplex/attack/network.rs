//! Attackers that abuse connections and the protocol.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use socket2::SockRef;

use super::{Attacker, Field, Pace};

pub(super) fn all() -> Vec<Attacker> {
    let attacker = |name, count, attack| Attacker { name, count, attack };
    vec![
        attacker("slow heads", 2, slow_heads),
        attacker("slow bodies", 1, slow_bodies),
        attacker("resets", 2, resets),
        attacker("connection flood", 2, connection_flood),
        attacker("garbage", 1, garbage),
        attacker("tls hellos", 1, tls_hellos),
        attacker("pipelining", 1, pipelining),
        attacker("never reading", 1, never_reading),
        attacker("huge heads", 1, huge_heads),
        attacker("chunk extensions", 1, chunk_extensions),
        attacker("tiny wire chunks", 1, tiny_wire_chunks),
    ]
}

/// How long an attacker that wants an answer waits before it looks around.
const LOOK_AROUND: Duration = Duration::from_millis(50);

/// A connection, if the server takes another.
pub(super) fn connect(field: &Field) -> Option<TcpStream> {
    let stream = TcpStream::connect_timeout(&field.address, Duration::from_millis(500)).ok()?;
    stream.set_read_timeout(Some(LOOK_AROUND)).ok()?;
    stream.set_write_timeout(Some(LOOK_AROUND)).ok()?;
    Some(stream)
}

/// Leaves with a reset: no port stays taken.
pub(super) fn reset(stream: &TcpStream) {
    // If it is closed already, so much the better.
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

/// Reads and drops what comes until there is nothing for a moment, it ends, or the retreat.
pub(super) fn read_away(stream: &mut TcpStream, field: &Field) {
    let mut piece = [0; 64 * 1024];
    while !field.is_retreat() && matches!(stream.read(&mut piece), Ok(1..)) {}
}

pub(super) fn done(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}

/// Attacks that need no answer: connect, send, leave with a reset, so many times a second.
fn hit_and_run(field: &Field, count: &AtomicU64, rate: u32, bytes: &[u8]) -> anyhow::Result<()> {
    let mut pace = Pace::new(rate);
    while !field.is_retreat() {
        if let Some(mut stream) = connect(field) {
            let _ = stream.write_all(bytes);
            reset(&stream);
            done(count);
        }
        pace.wait();
    }
    Ok(())
}

/// The same, but reads what is answered first.
fn hit_and_listen(field: &Field, count: &AtomicU64, rate: u32, bytes: &[u8]) -> anyhow::Result<()> {
    let mut pace = Pace::new(rate);
    while !field.is_retreat() {
        if let Some(mut stream) = connect(field) {
            let _ = stream.write_all(bytes);
            read_away(&mut stream, field);
            reset(&stream);
            done(count);
        }
        pace.wait();
    }
    Ok(())
}

/// A hundred connections, each sent `start`, then a byte a second.
fn trickle(field: &Field, count: &AtomicU64, start: &[u8], bytes: &[u8]) -> anyhow::Result<()> {
    const CONNECTIONS: usize = 100;
    let mut streams: Vec<Option<TcpStream>> = (0..CONNECTIONS).map(|_| None).collect();
    let mut pace = Pace::new(CONNECTIONS as u32);
    for turn in 0.. {
        if field.is_retreat() {
            break;
        }
        let place = &mut streams[turn % CONNECTIONS];
        let mut stream = match place.take() {
            Some(stream) => stream,
            None => match connect(field) {
                Some(mut stream) => {
                    let _ = stream.write_all(start);
                    stream
                }
                None => continue,
            },
        };
        // A byte of its own for each round; when it is cut off, it comes again.
        if stream.write_all(&[bytes[turn / CONNECTIONS % bytes.len()]]).is_ok() {
            done(count);
            *place = Some(stream);
        }
        pace.wait();
    }
    streams.iter().flatten().for_each(reset);
    Ok(())
}

fn slow_heads(field: &Field, count: &AtomicU64) -> anyhow::Result<()> {
    trickle(field, count, b"", b"POST /rot13 HTTP/1.1\r\nhost: slow\r\nx: yyyyyyyyyyyyyyyyyyyyyyyyyyy")
}

fn slow_bodies(field: &Field, count: &AtomicU64) -> anyhow::Result<()> {
    let head = b"POST /rot13 HTTP/1.1\r\nhost: slow\r\ncontent-length: 1000000\r\n\r\n";
    trickle(field, count, head, b"x")
}

fn resets(field: &Field, count: &AtomicU64) -> anyhow::Result<()> {
    let request =
        b"POST /rot13 HTTP/1.1\r\nhost: reset\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n5\r\n";
    hit_and_run(field, count, 150, request)
}

fn connection_flood(field: &Field, count: &AtomicU64) -> anyhow::Result<()> {
    hit_and_run(field, count, 250, b"")
}

fn garbage(field: &Field, count: &AtomicU64) -> anyhow::Result<()> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as u8
    });
    hit_and_run(field, count, 100, &noise.take(4096).collect::<Vec<u8>>())
}

fn tls_hellos(field: &Field, count: &AtomicU64) -> anyhow::Result<()> {
    // A record of 512 bytes, a handshake, a client's hello; the rest does not matter here.
    let hello = [&[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3][..], &[7; 506]].concat();
    hit_and_listen(field, count, 50, &hello)
}

/// Two thousand requests a second, without waiting for an answer to any.
fn pipelining(field: &Field, count: &AtomicU64) -> anyhow::Result<()> {
    let requests = b"GET /rot13 HTTP/1.1\r\nhost: many\r\n\r\n".repeat(40);
    let mut pace = Pace::new(50);
    while !field.is_retreat() {
        let Some(mut stream) = connect(field) else { continue };
        stream.set_nonblocking(true)?;
        let mut piece = [0; 64 * 1024];
        while !field.is_retreat() && stream.write_all(&requests).is_ok() {
            done(count);
            pace.wait();
            while matches!(stream.read(&mut piece), Ok(1..)) {}
        }
        reset(&stream);
    }
    Ok(())
}

/// Twenty answers without an end, at whose clients nobody reads; and again after a second.
fn never_reading(field: &Field, count: &AtomicU64) -> anyhow::Result<()> {
    const STREAMS: usize = 20;
    let mut streams = std::collections::VecDeque::new();
    let mut pace = Pace::new(STREAMS as u32);
    while !field.is_retreat() {
        if streams.len() == STREAMS {
            streams.pop_front().iter().for_each(reset);
        }
        if let Some(mut stream) = connect(field) {
            let _ = stream.write_all(b"GET /amplify HTTP/1.1\r\nhost: deaf\r\n\r\n");
            streams.push_back(stream);
            done(count);
        }
        pace.wait();
    }
    streams.iter().for_each(reset);
    Ok(())
}

fn huge_heads(field: &Field, count: &AtomicU64) -> anyhow::Result<()> {
    let head = [
        &b"GET /rot13 HTTP/1.1\r\nhost: huge\r\n"[..],
        &b"x-field: yyyyyyyyyyyyyyyyyyyyyyyyy\r\n".repeat(10_000),
    ];
    hit_and_listen(field, count, 20, &head.concat())
}

/// Bodies whose framing is nearly all there is of them.
fn body_flood(field: &Field, count: &AtomicU64, wire: &[u8]) -> anyhow::Result<()> {
    let head = b"POST /rot13 HTTP/1.1\r\nhost: odd\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut pace = Pace::new(20);
    while !field.is_retreat() {
        let Some(mut stream) = connect(field) else { continue };
        let mut piece = [0; 64 * 1024];
        let _ = stream.write_all(head);
        stream.set_nonblocking(true)?;
        while !field.is_retreat() && stream.write_all(wire).is_ok() {
            done(count);
            pace.wait();
            while matches!(stream.read(&mut piece), Ok(1..)) {}
        }
        reset(&stream);
        pace.wait();
    }
    Ok(())
}

fn chunk_extensions(field: &Field, count: &AtomicU64) -> anyhow::Result<()> {
    let wire_chunk = [&b"1;x=\""[..], &[b'y'; 2000], b"\"\r\nz\r\n"].concat();
    body_flood(field, count, &wire_chunk.repeat(30))
}

fn tiny_wire_chunks(field: &Field, count: &AtomicU64) -> anyhow::Result<()> {
    body_flood(field, count, &b"1\r\nz\r\n".repeat(10_000))
}
