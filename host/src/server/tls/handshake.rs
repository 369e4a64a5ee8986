//! The handshake, and what a client gets whose handshake is none.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use super::stream::{self, TlsReadHalf, TlsWriteHalf};
use super::{Inside, Tls, channel};

/// What a client that speaks plain HTTP is told. Before the connection is known to be anything, there
/// is no plugin and no keep-alive.
const PLAIN: &str = "HTTP/1.1 400 Bad Request\r\n\
    content-type: text/plain; charset=utf-8\r\n\
    content-length: 32\r\n\
    connection: close\r\n\
    \r\n\
    this port speaks HTTPS, not HTTP";

/// A client that failed still sends what it was about to send. So much of it is read and dropped, for
/// a socket that is closed with unread bytes sends a reset, which eats the alert that says why …
const DRAIN_BYTES: usize = 64 * 1024;

/// … and so long.
const DRAIN_TIME: Duration = Duration::from_secs(1);

/// Why there is no TLS connection.
#[derive(Debug)]
pub(in crate::server) enum Unshaken {
    /// The time was over first.
    Late,
    /// The client closed without a word, as balancers do that look whether somebody listens.
    Closed,
    /// It speaks plain HTTP.
    Plain,
    /// The handshake failed, or the connection broke.
    Failed(std::io::Error),
}

impl std::fmt::Display for Unshaken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Late => f.write_str("it took too long"),
            Self::Closed => f.write_str("the client closed before it"),
            Self::Plain => f.write_str("the client speaks plain HTTP"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl Tls {
    /// Makes a TLS connection of a TCP connection, within `time`.
    ///
    /// # Errors
    ///
    /// Why there is none. The client has been told, as far as there was a way, and the connection is
    /// closed.
    pub(in crate::server) async fn shake(
        &self,
        tcp: TcpStream,
        inside: Inside,
        time: Duration,
    ) -> Result<(TlsReadHalf, TlsWriteHalf), Unshaken> {
        let end = Instant::now() + time;
        let mut first = [0];
        match timeout_at(end, tcp.peek(&mut first)).await {
            Err(_) => return Err(Unshaken::Late),
            Ok(Err(error)) => return Err(Unshaken::Failed(error)),
            Ok(Ok(0)) => return Err(Unshaken::Closed),
            // A method begins with a letter. Everything else gets the alert that is due.
            Ok(Ok(_)) if inside == Inside::Http && first[0].is_ascii_alphabetic() => {
                dismiss(tcp, PLAIN.as_bytes()).await;
                return Err(Unshaken::Plain);
            }
            Ok(Ok(_)) => {}
        }
        let acceptor = self.acceptor(inside);
        let limit = |session: &mut rustls::ServerConnection| {
            session.set_buffer_limit(Some(channel::MAX_ENCRYPTED));
        };
        match timeout_at(end, acceptor.accept_with(tcp, limit).into_fallible()).await {
            Err(_) => Err(Unshaken::Late),
            Ok(Ok(stream)) => Ok(stream::split(stream)),
            Ok(Err((error, tcp))) => {
                dismiss(tcp, &[]).await;
                Err(Unshaken::Failed(error))
            }
        }
    }
}

/// Says something and closes, so that it arrives.
async fn dismiss(mut tcp: TcpStream, words: &[u8]) {
    let parting = async {
        tcp.write_all(words).await?;
        tcp.shutdown().await?;
        let mut dropped = 0;
        let mut area = [0; 4096];
        while dropped < DRAIN_BYTES {
            match tcp.read(&mut area).await? {
                0 => break,
                length => dropped += length,
            }
        }
        std::io::Result::Ok(())
    };
    // Whatever becomes of it, the connection is over.
    let _ = timeout(DRAIN_TIME, parting).await;
}
