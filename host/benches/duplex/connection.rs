//! The client's side of a connection: blocking, and comparing every byte.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

use wasmplex::http::decode::BodyDecoder;
use wasmplex::http::framing::Framing;

/// A server that is silent for so long is broken.
const SILENCE: Duration = Duration::from_secs(20);

/// The route of a live stream through one plugin.
pub(crate) const ROUTE: &str = "rot13";

/// The same by the two other kinds of plugin.
pub(crate) const COMMAND: &str = "command";
pub(crate) const COMPONENT: &str = "component";

/// A pipe whose stages do the same as one in the end.
pub(crate) const PIPE_OF_THREE: &str = "rot13+rot13+rot13";

/// The request head of a live stream.
pub(crate) fn stream_head(route: &str) -> Vec<u8> {
    format!("POST /{route} HTTP/1.1\r\nhost: bench\r\ntransfer-encoding: chunked\r\n\r\n").into_bytes()
}

/// What ends a chunked body.
pub(crate) const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// One connection, and the response on it that is being read.
pub(crate) struct Connection {
    stream: TcpStream,
    decoder: BodyDecoder,
    inbox: Box<[u8]>,
    /// The bytes of `inbox` that were read and not looked at.
    start: usize,
    end: usize,
    body: Box<[u8]>,
}

impl Connection {
    /// Connects. `capacity` is the most bytes of one read.
    pub(crate) fn open(address: SocketAddr, capacity: usize) -> anyhow::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, SILENCE).context("cannot connect")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(SILENCE))?;
        stream.set_write_timeout(Some(SILENCE))?;
        Ok(Self {
            stream,
            decoder: BodyDecoder::new(Framing::None),
            inbox: vec![0; capacity].into(),
            start: 0,
            end: 0,
            body: vec![0; capacity].into(),
        })
    }

    /// A live stream through `route`, whose response head is here.
    pub(crate) fn open_stream(address: SocketAddr, capacity: usize, route: &str) -> anyhow::Result<Self> {
        let mut connection = Self::open(address, capacity)?;
        connection.send(&stream_head(route))?;
        connection.read_head()?;
        Ok(connection)
    }

    pub(crate) fn send(&mut self, wire: &[u8]) -> anyhow::Result<()> {
        self.stream.write_all(wire).map_err(|error| told(error, "cannot send", "it took nothing"))
    }

    /// Another handle, to send from another thread.
    pub(crate) fn sender(&self) -> anyhow::Result<TcpStream> {
        Ok(self.stream.try_clone()?)
    }

    /// Reads the head of the next response, which must be 200 and chunked.
    pub(crate) fn read_head(&mut self) -> anyhow::Result<()> {
        const BLANK_LINE: &[u8] = b"\r\n\r\n";
        loop {
            let unread = &self.inbox[self.start..self.end];
            if let Some(length) = unread.windows(BLANK_LINE.len()).position(|bytes| bytes == BLANK_LINE) {
                let head = str::from_utf8(&unread[..length]).context("odd head")?;
                let status = head.lines().next().unwrap_or_default();
                ensure!(status.starts_with("HTTP/1.1 200 "), "not 200: {status}");
                ensure!(head.lines().any(is_chunked), "not chunked: {head}");
                self.start += length + BLANK_LINE.len();
                self.decoder = BodyDecoder::new(Framing::Chunked);
                return Ok(());
            }
            ensure!(self.fill()? > 0, "no head: {:?}", self.inbox[..self.end].escape_ascii().to_string());
        }
    }

    /// Reads body bytes, `most` of them at the most; none at the body's end.
    pub(crate) fn read_some(&mut self, most: usize) -> anyhow::Result<&[u8]> {
        let room = most.min(self.body.len());
        loop {
            let progress = self.decoder.decode(&self.inbox[self.start..self.end], &mut self.body[..room])?;
            self.start += progress.consumed;
            if progress.produced > 0 || self.decoder.is_done() {
                return Ok(&self.body[..progress.produced]);
            }
            ensure!(self.fill()? > 0, "the response was cut");
        }
    }

    /// Reads exactly the bytes of `expected`.
    pub(crate) fn read_exactly(&mut self, expected: &[u8]) -> anyhow::Result<()> {
        let mut rest = expected;
        while !rest.is_empty() {
            let got = self.read_some(rest.len())?;
            ensure!(!got.is_empty(), "the response ended too early");
            ensure!(*got == rest[..got.len()], "wrong bytes came back");
            rest = &rest[got.len()..];
        }
        Ok(())
    }

    /// Reads the body's end.
    pub(crate) fn read_end(&mut self) -> anyhow::Result<()> {
        let got = self.read_some(1)?;
        ensure!(got.is_empty(), "more came back than was sent");
        Ok(())
    }

    /// Reads the end of the connection.
    pub(crate) fn read_close(&mut self) -> anyhow::Result<()> {
        if self.start < self.end || self.fill()? > 0 {
            bail!("more bytes after the last response");
        }
        Ok(())
    }

    /// Ends a live stream: sends the end of the body, and reads that of the response.
    pub(crate) fn end_stream(&mut self) -> anyhow::Result<()> {
        self.send(LAST_CHUNK)?;
        self.read_end()
    }

    fn fill(&mut self) -> anyhow::Result<usize> {
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
        let received = self.stream.read(&mut self.inbox[self.end..]);
        let length = received.map_err(|error| told(error, "cannot receive", "it sent nothing"))?;
        self.end += length;
        Ok(length)
    }
}

fn is_chunked(line: &str) -> bool {
    line.eq_ignore_ascii_case("transfer-encoding: chunked")
}

/// A server that is no duplex one is silent where an answer is due.
fn told(error: io::Error, what: &'static str, silence: &str) -> anyhow::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            anyhow::anyhow!("{silence} for {} s", SILENCE.as_secs())
        }
        _ => anyhow::Error::from(error).context(what),
    }
}
