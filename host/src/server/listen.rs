//! Listening sockets: bound, replaced, removed.

use std::fmt;
use std::fs;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use tokio::net::{TcpListener, UnixListener};

use super::address::Endpoint;
use super::socket::Stream;
use super::tls::Tls;
use crate::metrics::Peer;

/// The longest path of a socket, in bytes (`unix(7)`: `sun_path` less its NUL).
const MAX_SOCKET_PATH: usize = 107;

/// What the connections of a listener are for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Service {
    /// HTTP requests.
    Http,
    /// Bytes through the plugins of this route.
    Raw(Box<str>),
}

/// A bound socket and what its connections are for.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    pub(super) service: Service,
    /// What its connections begin with, if it is a handshake.
    pub(super) tls: Option<Arc<Tls>>,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener, SocketFile),
}

/// A socket in the file system; it is removed when it is no longer listened on.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    /// Device and inode, if it is ours to remove.
    identity: Option<(u64, u64)>,
}

impl Listener {
    /// Binds `endpoint`; a socket file gets the permission bits `mode`.
    ///
    /// # Errors
    ///
    /// When it cannot be had.
    pub async fn bind(endpoint: &Endpoint, service: Service, mode: u32) -> anyhow::Result<Self> {
        let socket = match endpoint {
            Endpoint::Tcp(address) => TcpListener::bind(address).await.map(Socket::Tcp).map_err(Into::into),
            Endpoint::Unix(path) => bind_unix(path, mode),
        };
        let socket = socket.with_context(|| format!("cannot listen on {endpoint}"))?;
        Ok(Self { socket, service, tls: None })
    }

    /// A TCP socket that somebody else has bound.
    #[must_use]
    pub const fn of_tcp(listener: TcpListener) -> Self {
        Self { socket: Socket::Tcp(listener), service: Service::Http, tls: None }
    }

    /// A Unix socket that somebody else has bound, and who removes its file.
    #[must_use]
    pub fn of_unix(listener: UnixListener) -> Self {
        let address = listener.local_addr().ok();
        let path = address.and_then(|address| address.as_pathname().map(Path::to_owned)).unwrap_or_default();
        let socket = Socket::Unix(listener, SocketFile { path, identity: None });
        Self { socket, service: Service::Http, tls: None }
    }

    /// The same, speaking TLS if there is some to speak. A Unix socket does not.
    #[must_use]
    pub fn with_tls(self, tls: Option<Arc<Tls>>) -> Self {
        let tls = tls.filter(|_| matches!(self.socket, Socket::Tcp(_)));
        Self { tls, ..self }
    }

    /// Its TCP address, port 0 resolved; none of a Unix socket.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        match &self.socket {
            Socket::Tcp(listener) => listener.local_addr().ok(),
            Socket::Unix(..) => None,
        }
    }

    pub(super) async fn accept(&self) -> io::Result<(Stream, Peer)> {
        match &self.socket {
            Socket::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                // Small emits must not wait for an acknowledgement of earlier ones.
                stream.set_nodelay(true)?;
                Ok((Stream::Tcp(stream), address.into()))
            }
            Socket::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                Ok((Stream::Unix(stream), Peer::Unix))
            }
        }
    }
}

/// Where it listens, as users write it: `http://127.0.0.1:8080`, `https://127.0.0.1:8443`,
/// `unix:/run/w.sock`, `tcp://127.0.0.1:9000 for rot13`.
impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.socket, self.address()) {
            (Socket::Unix(_, file), _) => write!(f, "unix:{}", file.path.display())?,
            (_, Some(address)) => {
                let scheme = match (&self.service, &self.tls) {
                    (Service::Http, None) => "http",
                    (Service::Http, Some(_)) => "https",
                    (Service::Raw(_), None) => "tcp",
                    (Service::Raw(_), Some(_)) => "tls",
                };
                write!(f, "{scheme}://{address}")?;
            }
            (_, None) => f.write_str("an unknown address")?,
        }
        match &self.service {
            Service::Http => Ok(()),
            Service::Raw(route) => write!(f, " for {route}"),
        }
    }
}

/// Binds beside `path` and renames over it: there is no moment without a socket where there was
/// one, and none with other permissions.
fn bind_unix(path: &Path, mode: u32) -> anyhow::Result<Socket> {
    let length = path.as_os_str().len();
    if length > MAX_SOCKET_PATH {
        bail!("the path has {length} bytes; a socket's may have {MAX_SOCKET_PATH}");
    }
    check_place(path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = fs::File::open(folder)?;
    // By this name no path to a fresh socket is too long, however long the folder's is.
    let near = format!("/proc/self/fd/{}", folder.as_raw_fd());
    let fresh = tempfile::Builder::new().prefix(".w").make_in(near, |path| UnixListener::bind(path))?;
    fs::set_permissions(fresh.path(), fs::Permissions::from_mode(mode))?;
    let file = fs::symlink_metadata(fresh.path())?;
    let listener = fresh.persist(path).map_err(|failed| failed.error)?;
    let identity = Some((file.dev(), file.ino()));
    Ok(Socket::Unix(listener, SocketFile { path: path.to_owned(), identity }))
}

/// Whether a socket may be put at `path`: nothing is there, or one that nobody listens on any more.
fn check_place(path: &Path) -> anyhow::Result<()> {
    let there = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        there => there?,
    };
    if !there.file_type().is_socket() {
        bail!("there is a file that is no socket; it is left as it is");
    }
    let probe = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM.nonblocking(), None)?;
    match probe.connect(&socket2::SockAddr::unix(path)?) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(()),
        Ok(()) => bail!("another process listens there"),
        // It listens, and is too busy to accept.
        Err(error) if error.kind() == ErrorKind::WouldBlock => bail!("another process listens there"),
        Err(error) => Err(error).context("cannot tell whether another process listens there"),
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let there = fs::symlink_metadata(&self.path).map(|file| (file.dev(), file.ino()));
        if self.identity.is_some() && there.ok() == self.identity {
            // What cannot be removed is replaced at the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}
