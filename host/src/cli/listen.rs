//! Where `serve` listens.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use listenfd::ListenFd;
use tokio::net::{TcpListener, UnixListener};

use crate::registry::{NoRoute, Registry};
use crate::server::{ListenAddress, Listener, RawAddress, Service, Tls, socket_mode};

/// Listeners' addresses.
#[derive(Args, Clone, Debug)]
pub(super) struct ListenArgs {
    /// Address to serve HTTP on: ADDR:PORT (port 0 takes a free one) or unix:PATH; http://ADDR:PORT and
    /// https://ADDR:PORT say which, otherwise --tls-cert does. May be given several times. Sockets that a
    /// service manager passes (socket activation) stand in its place
    #[arg(
        long,
        value_name = "ADDR",
        default_value = "127.0.0.1:8080",
        env = "WASMPLEX_LISTEN",
        value_delimiter = ','
    )]
    listen: Vec<ListenAddress>,
    /// Address whose connections go through plugins as they are, without HTTP, such as
    /// 127.0.0.1:9000=rot13, tls://127.0.0.1:9443=rot13 or unix:PATH=upper+rot13: what a client sends
    /// until it closes its sending side is the body, what is emitted is all that it gets. May be given
    /// several times
    #[arg(long, value_name = "ADDR=PLUGIN", env = "WASMPLEX_TCP", value_delimiter = ',')]
    tcp: Vec<RawAddress>,
    /// Permission bits of the sockets of unix:PATH
    #[arg(long, value_name = "MODE", default_value = "660", env = "WASMPLEX_UNIX_MODE", value_parser = socket_mode)]
    unix_mode: u32,
}

impl ListenArgs {
    /// Whether all addresses can be had, with a certificate or without.
    ///
    /// # Errors
    ///
    /// A line that says what is missing.
    pub(super) fn check(&self, has_certificate: bool) -> Result<(), String> {
        let http = self.listen.iter().find(|address| address.tls == Some(true)).map(|_| "--listen https://");
        let raw = self.tcp.iter().find(|address| address.tls).map(|_| "--tcp tls://");
        match http.or(raw) {
            Some(address) if !has_certificate => {
                Err(format!("{address} takes a certificate: --tls-cert FILE and --tls-key FILE\n"))
            }
            _ => Ok(()),
        }
    }

    /// Binds all of them, or what the service manager passes in place of `--listen`.
    pub(super) async fn bind(&self, tls: Option<&Arc<Tls>>) -> anyhow::Result<Vec<Listener>> {
        let mut listeners: Vec<Listener> =
            inherited()?.into_iter().map(|listener| listener.with_tls(tls.cloned())).collect();
        if listeners.is_empty() {
            for address in &self.listen {
                let listener = Listener::bind(&address.endpoint, Service::Http, self.unix_mode).await?;
                let tls = tls.filter(|_| address.tls != Some(false));
                listeners.push(listener.with_tls(tls.cloned()));
            }
        }
        for RawAddress { endpoint, route, tls: with_tls } in &self.tcp {
            let listener = Listener::bind(endpoint, Service::Raw(route.clone()), self.unix_mode).await?;
            listeners.push(listener.with_tls(tls.filter(|_| *with_tls).cloned()));
        }
        Ok(listeners)
    }

    /// Warns of plugins that nobody has put there yet.
    pub(super) fn check_routes(&self, registry: &Registry) {
        for RawAddress { endpoint, route, .. } in &self.tcp {
            let why = match registry.resolve(route) {
                Ok(_) => continue,
                Err(NoRoute::Unknown) => {
                    "no plugin has this name yet: connections are reset until there is one"
                }
                Err(NoRoute::TooLong) => "too many plugins in a row (at most 8): connections are reset",
            };
            tracing::warn!(listener = %endpoint, route = &**route, "{why}");
        }
    }
}

/// Sockets that the service manager passes (systemd's socket activation, `sd_listen_fds(3)`). Where
/// there are some, they stand in place of `--listen`: they outlive this process.
fn inherited() -> anyhow::Result<Vec<Listener>> {
    let mut passed = ListenFd::from_env();
    let mut listeners = Vec::new();
    for index in 0..passed.len() {
        let unusable = || format!("passed socket {index} cannot be used");
        if let Ok(Some(listener)) = passed.take_tcp_listener(index) {
            listener.set_nonblocking(true).with_context(unusable)?;
            listeners.push(Listener::of_tcp(TcpListener::from_std(listener).with_context(unusable)?));
            continue;
        }
        let listener = passed.take_unix_listener(index);
        let listener = listener
            .with_context(|| format!("passed socket {index} is neither a TCP nor a Unix listener"))?;
        let Some(listener) = listener else {
            continue;
        };
        listener.set_nonblocking(true).with_context(unusable)?;
        listeners.push(Listener::of_unix(UnixListener::from_std(listener).with_context(unusable)?));
    }
    Ok(listeners)
}

/// The ready lines. Nobody may be reading them; that is no reason not to serve.
pub(super) fn announce(listeners: &[Listener], admin: Option<SocketAddr>) {
    let mut stdout = std::io::stdout().lock();
    for listener in listeners {
        let _ = writeln!(stdout, "listening on {listener}");
    }
    if let Some(address) = admin {
        let _ = writeln!(stdout, "admin on http://{address}");
    }
    let _ = stdout.flush();
}

/// The first address that HTTP is served on, if it is one of the network.
pub(super) fn first_address(listeners: &[Listener]) -> Option<SocketAddr> {
    listeners.iter().find_map(Listener::address)
}
