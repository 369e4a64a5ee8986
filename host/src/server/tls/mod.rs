//! TLS (1.2 and 1.3) in front of a listener: certificate and key from files that are read again when
//! they change, the handshake, and the two halves of a connection.
//!
//! What a client may take for the end of a body is the point of all care here. Only `close_notify` is
//! an end (RFC 8446 section 6.1), and it is sent only when the end of the stream is said: no drop, no
//! failure and no cut sends it.

mod channel;
mod files;
mod handshake;
mod stream;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use tokio::sync::Notify;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;

pub(super) use handshake::Unshaken;
pub(super) use stream::{TlsReadHalf, TlsWriteHalf};

use crate::registry::folder::Stamp;

/// The time between two looks at the files. Whoever renews certificates waits no longer than two of
/// them, and three files cost three system calls.
const LOOK: Duration = Duration::from_secs(1);

/// Whether clients must show a certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ClientAuth {
    Required,
    /// One that is shown must be good; none is good as well.
    Optional,
}

/// Where certificates and key are.
#[derive(Clone, Debug)]
pub struct TlsOptions {
    /// PEM: the server's certificate, and those between it and what clients trust.
    pub cert: PathBuf,
    /// PEM: its private key, as PKCS#8, PKCS#1 (RSA) or SEC1 (EC), not encrypted.
    pub key: PathBuf,
    /// PEM: those whose certificates clients may show. Without it none is asked for.
    pub client_ca: Option<PathBuf>,
    /// What holds where there is a `client_ca`.
    pub client_auth: ClientAuth,
}

/// What is spoken inside: it decides what the handshake may agree on (ALPN, RFC 7301).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Inside {
    /// `http/1.1`, or `http/1.0`; a client that offers only others (h2) is told so by an alert.
    Http,
    /// Bytes: whatever a client offers, nothing is chosen.
    Raw,
}

/// The certificates in use, and the files that they come from.
pub struct Tls {
    options: TlsOptions,
    current: ArcSwap<Configs>,
    watched: Mutex<Watched>,
    asked: Notify,
}

/// What one reading of the files gave.
struct Configs {
    http: Arc<ServerConfig>,
    raw: Arc<ServerConfig>,
}

/// Stamps of all files, in the order of [`TlsOptions::files`].
type Stamps = Vec<Option<Stamp>>;

struct Watched {
    /// As they were at the last look.
    seen: Stamps,
    /// As they were when they were read, with whatever outcome.
    read: Stamps,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("options", &self.options).finish_non_exhaustive()
    }
}

impl TlsOptions {
    fn files(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.cert, &self.key].into_iter().chain(&self.client_ca)
    }

    fn stamps(&self) -> Stamps {
        self.files().map(|file| Stamp::of(file)).collect()
    }
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    ///
    /// When one of them cannot be read or used, or the key does not belong to the certificate. The
    /// error names the file, and what was expected.
    pub fn load(options: &TlsOptions) -> anyhow::Result<Arc<Self>> {
        let stamps = options.stamps();
        let current = files::load(options)?;
        Ok(Arc::new(Self {
            options: options.clone(),
            current: ArcSwap::from_pointee(current),
            watched: Mutex::new(Watched { seen: stamps.clone(), read: stamps }),
            asked: Notify::new(),
        }))
    }

    /// Makes handshakes with what was last read well. Connections that are open keep what they
    /// began with.
    fn acceptor(&self, inside: Inside) -> TlsAcceptor {
        let current = self.current.load();
        let config = match inside {
            Inside::Http => &current.http,
            Inside::Raw => &current.raw,
        };
        Arc::clone(config).into()
    }

    /// Looks at the files every second for as long as it is polled, and at once after
    /// [`Tls::rescan`].
    pub async fn watch(self: Arc<Self>) {
        loop {
            let is_forced = tokio::select! {
                () = sleep(LOOK) => false,
                () = self.asked.notified() => true,
            };
            let tls = Arc::clone(&self);
            // Files may be on a network. A look that panicked is followed by another one.
            let _ = tokio::task::spawn_blocking(move || tls.look(is_forced)).await;
        }
    }

    /// Has the files read again, whether they changed or not.
    pub fn rescan(&self) {
        self.asked.notify_one();
    }

    /// Reads the files again if they changed: another device, inode, size or time, links followed.
    /// A change is taken when it looks the same twice in a row, since certificate and key are
    /// written one after the other; if it is forced, at once. What does not load is logged once, and
    /// what was last read well stays.
    fn look(&self, is_forced: bool) {
        // Stamps are consistent whatever panicked.
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let found = self.options.stamps();
        let is_settled = std::mem::replace(&mut watched.seen, found.clone()) == found;
        if !is_forced && (found == watched.read || !is_settled) {
            return;
        }
        let outcome = files::load(&self.options);
        if !is_forced && self.options.stamps() != found {
            // Written while it was read. The next look is soon.
            return;
        }
        watched.read = found;
        match outcome {
            Ok(configs) => self.current.store(Arc::new(configs)),
            Err(error) => {
                let reason = format!("{error:#}");
                tracing::warn!(
                    reason = reason.as_str(),
                    "the TLS files cannot be used; the last good ones stay"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests;
