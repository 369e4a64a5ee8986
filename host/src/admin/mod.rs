//! The operators' listener: health, metrics, plugins and open exchanges. Read-only, a request per
//! connection, on an address of its own.

mod openmetrics;
mod view;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use crate::http::Refusal;
use crate::http::encode::{self, ResponseFraming};
use crate::http::head::{self, Method, RequestHead};
use crate::server::{Parts, Phase};

/// Connections at a time: monitoring systems make one each.
const MAX_CONNECTIONS: usize = 256;

/// From a connection to the end of its request head: a client that says nothing gives its place up.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// From a connection to the end of its answer.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How long to wait after an accept that failed.
const BACK_OFF: Duration = Duration::from_millis(100);

/// Answers that are made and held at a time, of those that may be large; who finds no place for a
/// second is told to come again. The small ones, on health, have room beside them.
const MAX_LARGE: usize = 4;
const LARGE_WAIT: Duration = Duration::from_secs(1);

/// How many exchanges are listed where the query does not say, and at the most.
const DEFAULT_LIMIT: usize = 1_000;
const MAX_LIMIT: usize = 10_000;

/// The media type of `OpenMetrics` text (its specification, section 5.3).
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

/// What the listener shows.
#[derive(Clone, Debug)]
pub struct View {
    pub parts: Parts,
    pub folder: PathBuf,
    pub phase: watch::Receiver<Phase>,
}

/// The bound listener.
#[derive(Debug)]
pub struct Admin {
    listener: TcpListener,
    view: Arc<View>,
}

/// An answer: status, media type, body.
struct Answer(u16, &'static str, String);

impl Admin {
    /// Binds the address.
    ///
    /// # Errors
    ///
    /// When it cannot be had.
    pub async fn bind(address: SocketAddr, view: View) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(address).await;
        let listener = listener.with_context(|| format!("cannot listen on {address} (--admin)"))?;
        Ok(Self { listener, view: Arc::new(view) })
    }

    /// The address, port 0 resolved.
    ///
    /// # Errors
    ///
    /// When the system does not tell.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers until the runtime ends: also while the server drains.
    pub async fn run(self) {
        let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let large = Arc::new(Semaphore::new(MAX_LARGE));
        loop {
            let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
                return;
            };
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let (view, large) = (Arc::clone(&self.view), Arc::clone(&large));
                    tokio::spawn(async move {
                        // A client that is slow or gone has no answer to get.
                        let _ = tokio::time::timeout(TIMEOUT, serve(stream, view, &large)).await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept an admin connection");
                    tokio::time::sleep(BACK_OFF).await;
                }
            }
        }
    }
}

async fn serve(mut stream: TcpStream, view: Arc<View>, large: &Semaphore) -> std::io::Result<()> {
    let head = tokio::time::timeout(HEAD_TIMEOUT, read_head(&mut stream)).await;
    // Held until the answer has left.
    let mut place = None;
    let (answer, with_body) = match head.map_err(std::io::Error::other)?? {
        Some(Ok(head)) => {
            let with_body = head.method() != Method::Head;
            if !is_large(&head) {
                (answer(&head, &view), with_body)
            } else if let Ok(Ok(permit)) = tokio::time::timeout(LARGE_WAIT, large.acquire()).await {
                place = Some(permit);
                // Not on a thread that serves: thousands of exchanges take their time to write down.
                let made = tokio::task::spawn_blocking(move || answer(&head, &view)).await;
                (made.map_err(std::io::Error::other)?, with_body)
            } else {
                (Answer(503, TEXT, "too many of these are being answered\n".to_owned()), with_body)
            }
        }
        Some(Err(refusal)) => (Answer(refusal.status, TEXT, format!("{}\n", refusal.reason)), true),
        None => return Ok(()),
    };
    let Answer(status, media_type, body) = answer;
    let mut bytes = Vec::new();
    let mut fields = vec![(&b"content-type"[..], media_type.as_bytes())];
    if status == 405 {
        fields.push((b"allow", b"GET, HEAD"));
    }
    let framing = ResponseFraming::Length(body.len() as u64);
    let date = httpdate::fmt_http_date(SystemTime::now());
    encode::response_head(&mut bytes, status, &date, fields.into_iter(), framing, true);
    if with_body {
        bytes.extend_from_slice(body.as_bytes());
    }
    stream.write_all(&bytes).await?;
    drop((bytes, place));
    stream.shutdown().await?;
    // What the client still sends must not turn the answer into a reset. The timeout bounds this.
    while stream.read(&mut [0; 1_024]).await? > 0 {}
    Ok(())
}

/// Reads a request head; bounded by the parser. `None`: the client closed.
async fn read_head(stream: &mut TcpStream) -> std::io::Result<Option<Result<RequestHead, Refusal>>> {
    let mut bytes = Vec::new();
    let mut seen = 0;
    loop {
        match head::parse(&bytes, seen) {
            Ok(Some((head, _))) => return Ok(Some(Ok(head))),
            Ok(None) => seen = bytes.len(),
            Err(refusal) => return Ok(Some(Err(refusal))),
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    }
}

/// Whether the answer may be large.
fn is_large(head: &RequestHead) -> bool {
    matches!(head.path(), "/metrics" | "/plugins" | "/exchanges")
}

fn answer(head: &RequestHead, view: &View) -> Answer {
    let text = |status, text: &str| Answer(status, TEXT, format!("{text}\n"));
    let json = |value: &serde_json::Value| Answer(200, JSON, format!("{value:#}\n"));
    let is_read = matches!(head.method(), Method::Get | Method::Head);
    match head.path() {
        "/" | "/healthz" | "/readyz" | "/metrics" | "/plugins" | "/exchanges" if !is_read => {
            text(405, "this listener is read-only")
        }
        "/" => text(200, "/healthz /readyz /metrics /plugins /exchanges"),
        "/healthz" => text(200, "ok"),
        "/readyz" if *view.phase.borrow() == Phase::Draining => text(503, "draining"),
        "/readyz" => text(200, "ready"),
        "/metrics" => match openmetrics::render(&view.parts) {
            Ok(body) => Answer(200, OPENMETRICS, body),
            Err(_) => text(500, "the metrics cannot be written"),
        },
        "/plugins" => json(&view::plugins(view)),
        "/exchanges" => match limit(head.query()) {
            Some(limit) => json(&view::exchanges(&view.parts.metrics, limit)),
            None => text(400, "limit must be a number"),
        },
        _ => text(404, "there are / /healthz /readyz /metrics /plugins /exchanges"),
    }
}

/// The `limit` of a query.
fn limit(query: Option<&[u8]>) -> Option<usize> {
    let query = std::str::from_utf8(query.unwrap_or_default()).ok()?;
    let value = query.split('&').find_map(|pair| pair.strip_prefix("limit="));
    let limit = value.map_or(Some(DEFAULT_LIMIT), |value| value.parse().ok())?;
    Some(limit.min(MAX_LIMIT))
}
