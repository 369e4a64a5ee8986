//! Short requests: a new instance for 64 bytes.

use std::time::Duration;

use super::{Clock, Cost, Sample};
use crate::connection::{Connection, ROUTE};
use crate::pattern::{PATTERN, PERIOD};
use crate::server::Server;

/// Body bytes of a request.
const SIZE: usize = 64;

/// The most bytes of one read: a whole response.
const READ: usize = 1024;

/// On connections that stay, the next request on each when the one before is answered.
pub(super) fn keep_alive(
    server: &Server,
    time: Duration,
    route: &str,
    connections: usize,
) -> anyhow::Result<Cost> {
    let open = || Connection::open(server.address(), READ);
    let mut connections =
        std::iter::repeat_with(open).take(connections).collect::<anyhow::Result<Vec<_>>>()?;
    let clock = Clock::start(server)?;
    let mut requests = 0;
    while !clock.ran_for(time) {
        let at = place(requests);
        let wire = request(route, at, "");
        for connection in &mut connections {
            connection.send(&wire)?;
        }
        for connection in &mut connections {
            read_response(connection, at)?;
        }
        requests += connections.len() as u64;
    }
    clock.stop_per_unit(requests)
}

/// On a connection each, one after the other.
pub(super) fn closing(server: &Server, time: Duration) -> anyhow::Result<Sample> {
    let clock = Clock::start(server)?;
    let mut requests = 0;
    while !clock.ran_for(time) {
        let at = place(requests);
        let mut connection = Connection::open(server.address(), READ)?;
        connection.send(&request(ROUTE, at, "connection: close\r\n"))?;
        read_response(&mut connection, at)?;
        connection.read_close()?;
        requests += 1;
    }
    Ok(clock.stop_per_unit(requests)?.into())
}

fn place(requests: u64) -> usize {
    requests as usize * SIZE % PERIOD
}

fn request(route: &str, at: usize, field: &str) -> Vec<u8> {
    let head = format!("POST /{route} HTTP/1.1\r\nhost: bench\r\ncontent-length: {SIZE}\r\n{field}\r\n");
    [head.as_bytes(), PATTERN.plain(at..at + SIZE)].concat()
}

fn read_response(connection: &mut Connection, at: usize) -> anyhow::Result<()> {
    connection.read_head()?;
    connection.read_exactly(PATTERN.rotated(at..at + SIZE))?;
    connection.read_end()
}
