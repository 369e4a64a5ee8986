//! The ceiling: the same duplex server with rot13 compiled in.
//!
//! Heads, framing and wire chunks are wasmplex's own, and so is the pattern at the socket: all that
//! has arrived is read into a buffer of the thread, 64 KiB at the most, what comes of it leaves in
//! one write before the next wait, and a close lingers. There are no plugins, no timers and no
//! limits, so this is less than a server needs, and as fast as one of this shape gets.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::SystemTime;

use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

use wasmplex::http::decode::BodyDecoder;
use wasmplex::http::encode::{self, ResponseFraming};
use wasmplex::http::framing::{self, Manner};
use wasmplex::http::head;

/// The most bytes of one read.
const READ: usize = 64 * 1024;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ].into_boxed_slice());
    static AREA: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ].into_boxed_slice());
}

/// Serves on a free port, until the process is killed.
pub(crate) fn serve() -> anyhow::Result<()> {
    tokio::runtime::Runtime::new()?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("listening on http://{}", listener.local_addr()?);
        io::stdout().flush()?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::spawn(async move {
                let connection = Connection { stream, carry: Vec::new(), out: Vec::new(), written: 0 };
                // The other side sees that the connection has ended, and says so.
                let _ = connection.run().await;
            });
        }
    })
}

struct Connection {
    stream: TcpStream,
    /// Bytes that were read and not decoded.
    carry: Vec<u8>,
    out: Vec<u8>,
    /// Bytes of `out` that have left, or are leading zeros that need not leave.
    written: usize,
}

impl Connection {
    async fn run(mut self) -> io::Result<()> {
        while let Some(manner) = self.read_head().await? {
            let date = httpdate::fmt_http_date(SystemTime::now());
            let fields = [(&b"content-type"[..], &b"application/octet-stream"[..])].into_iter();
            let close = !manner.keep_alive;
            encode::response_head(&mut self.out, 200, &date, fields, ResponseFraming::Chunked, close);
            let mut decoder = BodyDecoder::new(manner.framing);
            while self.transform_carry(&mut decoder)? {
                self.flush().await?;
                poll_fn(|context| self.poll_transform(context, &mut decoder)).await?;
            }
            encode::last_chunk(&mut self.out);
            if close {
                return self.linger().await;
            }
        }
        Ok(())
    }

    async fn read_head(&mut self) -> io::Result<Option<Manner>> {
        let mut seen = 0;
        loop {
            if let Some((head, length)) = head::parse(&self.carry, seen).map_err(refused)? {
                self.carry.drain(..length);
                return framing::decide(&head).map(Some).map_err(refused);
            }
            seen = self.carry.len();
            self.flush().await?;
            if poll_fn(|context| self.poll_fill(context)).await? == 0 {
                return Ok(None);
            }
        }
    }

    fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let length = ready!(read(&mut self.stream, context, scratch))?;
            self.carry.extend_from_slice(&scratch[..length]);
            Poll::Ready(Ok(length))
        })
    }

    /// Whether there is more of the body to come.
    fn transform_carry(&mut self, decoder: &mut BodyDecoder) -> io::Result<bool> {
        while !self.carry.is_empty() && !decoder.is_done() {
            let consumed = transform(decoder, &self.carry, &mut self.out, &mut self.written)?;
            self.carry.drain(..consumed);
        }
        Ok(!decoder.is_done())
    }

    fn poll_transform(
        &mut self,
        context: &mut Context<'_>,
        decoder: &mut BodyDecoder,
    ) -> Poll<io::Result<()>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let length = ready!(read(&mut self.stream, context, scratch))?;
            if length == 0 {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            let consumed = transform(decoder, &scratch[..length], &mut self.out, &mut self.written)?;
            self.carry.extend_from_slice(&scratch[consumed..length]);
            Poll::Ready(Ok(()))
        })
    }

    async fn flush(&mut self) -> io::Result<()> {
        while self.written < self.out.len() {
            let (stream, rest) = (&mut self.stream, &self.out[self.written..]);
            self.written += poll_fn(|context| Pin::new(&mut *stream).poll_write(context, rest)).await?;
        }
        self.out.clear();
        self.written = 0;
        Ok(())
    }

    async fn linger(mut self) -> io::Result<()> {
        self.flush().await?;
        poll_fn(|context| Pin::new(&mut self.stream).poll_shutdown(context)).await?;
        while poll_fn(|context| self.poll_fill(context)).await? > 0 {
            self.carry.clear();
        }
        Ok(())
    }
}

fn read(stream: &mut TcpStream, context: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
    let mut buffer = ReadBuf::new(into);
    ready!(Pin::new(stream).poll_read(context, &mut buffer))?;
    Poll::Ready(Ok(buffer.filled().len()))
}

/// Body bytes of `input`, transformed, to the end of `out` as one wire chunk. Says how many bytes
/// of `input` were used.
fn transform(
    decoder: &mut BodyDecoder,
    input: &[u8],
    out: &mut Vec<u8>,
    written: &mut usize,
) -> io::Result<usize> {
    AREA.with_borrow_mut(|area| {
        let progress = decoder.decode(input, area).map_err(io::Error::other)?;
        let mark = encode::begin_chunk(out);
        out.extend(area[..progress.produced].iter().copied().map(rot13));
        let zeros = encode::seal_chunk(out, mark);
        if *written == mark {
            *written += zeros;
        } else {
            out.drain(mark..mark + zeros);
        }
        Ok(progress.consumed)
    })
}

fn refused(refusal: wasmplex::http::Refusal) -> io::Error {
    io::Error::other(refusal.reason)
}

/// Without a branch, so that the compiler makes vector code of it.
const fn rot13(byte: u8) -> u8 {
    let place = (byte | 0x20).wrapping_sub(b'a');
    let step = if place < 13 { 13 } else { 13_u8.wrapping_neg() };
    byte.wrapping_add(if place < 26 { step } else { 0 })
}
