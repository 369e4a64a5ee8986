//! Certificates made for a test, and TLS under the raw client.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};

use super::Folder;

/// The name that servers' certificates are for.
pub const HOST: &str = "wasmplex.test";

/// Who signs certificates, and a folder that they are written into.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: Folder,
}

/// A certificate and its key.
pub struct Certified {
    pub cert: String,
    pub key: String,
    der: CertificateDer<'static>,
    key_der: Vec<u8>,
}

impl Authority {
    pub fn new() -> Authority {
        let mut params = CertificateParams::new([]).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "tests of wasmplex");
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("an authority");
        let authority = Authority { issuer, folder: Folder::new() };
        authority.folder.write("ca.pem", authority.issuer.pem().as_bytes());
        authority
    }

    /// A certificate for `name`.
    pub fn issue(&self, name: &str) -> Certified {
        let mut params = CertificateParams::new([name.to_owned()]).expect("parameters");
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let cert = params.signed_by(&key, &self.issuer).expect("a certificate");
        Certified {
            cert: cert.pem(),
            key: key.serialize_pem(),
            der: cert.der().clone(),
            key_der: key.serialize_der(),
        }
    }

    /// Where `name` is, or would be, in the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Its own certificate, in a file.
    pub fn ca(&self) -> PathBuf {
        self.file("ca.pem")
    }

    /// Writes a pair as cert.pem and key.pem.
    pub fn install(&self, certified: &Certified) {
        self.folder.install("key.pem", certified.key.as_bytes());
        self.folder.install("cert.pem", certified.cert.as_bytes());
    }

    /// Flags for a server with a certificate of this authority, and more flags.
    pub fn flags(&self, more: &[&str]) -> Vec<String> {
        self.install(&self.issue(HOST));
        let mut flags = pair_flags(&self.file("cert.pem"), &self.file("key.pem"));
        flags.extend(more.iter().map(|flag| (*flag).to_owned()));
        flags
    }

    /// A client that trusts this authority alone, and shows a certificate if it has one.
    pub fn trust(&self, versions: &[&'static SupportedProtocolVersion], own: Option<&Certified>) -> Trust {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).expect("a good authority");
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .expect("versions")
            .with_root_certificates(roots);
        let config = match own {
            None => builder.with_no_client_auth(),
            Some(own) => {
                let key = PrivateKeyDer::try_from(own.key_der.clone()).expect("a key");
                builder.with_client_auth_cert(vec![own.der.clone()], key).expect("a pair")
            }
        };
        Trust { config: Arc::new(config) }
    }
}

impl Certified {
    /// What goes over the wire.
    pub fn der(&self) -> &[u8] {
        &self.der
    }
}

/// Both flags.
pub fn pair_flags(cert: &Path, key: &Path) -> Vec<String> {
    let text = |path: &Path| path.to_str().expect("a path in UTF-8").to_owned();
    vec!["--tls-cert".to_owned(), text(cert), "--tls-key".to_owned(), text(key)]
}

/// How a client goes about TLS.
#[derive(Clone)]
pub struct Trust {
    config: Arc<ClientConfig>,
}

impl Trust {
    /// The same, offering these protocols (ALPN).
    pub fn offering(&self, protocols: &[&[u8]]) -> Trust {
        let mut config = ClientConfig::clone(&self.config);
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Trust { config: Arc::new(config) }
    }

    /// A connection that has not begun its handshake.
    pub fn session(&self) -> ClientConnection {
        let name = ServerName::try_from(HOST).expect("a name");
        ClientConnection::new(Arc::clone(&self.config), name).expect("a session")
    }

    /// Makes the handshake.
    pub fn shake(&self, mut tcp: TcpStream) -> io::Result<TlsLink> {
        let mut session = self.session();
        while session.is_handshaking() {
            session.complete_io(&mut tcp)?;
        }
        Ok(Box::new(StreamOwned::new(session, tcp)))
    }
}

pub type TlsLink = Box<StreamOwned<ClientConnection, TcpStream>>;

/// What a client's bytes go through.
pub enum Link {
    Plain(TcpStream),
    Tls(TlsLink),
}

impl Link {
    pub fn tcp(&self) -> &TcpStream {
        match self {
            Link::Plain(tcp) => tcp,
            Link::Tls(tls) => &tls.sock,
        }
    }

    pub fn tls(&mut self) -> Option<&mut TlsLink> {
        match self {
            Link::Plain(_) => None,
            Link::Tls(tls) => Some(tls),
        }
    }
}

impl Read for Link {
    fn read(&mut self, area: &mut [u8]) -> io::Result<usize> {
        match self {
            Link::Plain(tcp) => tcp.read(area),
            Link::Tls(tls) => tls.read(area),
        }
    }
}

impl Write for Link {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Link::Plain(tcp) => tcp.write(bytes),
            Link::Tls(tls) => tls.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Link::Plain(tcp) => tcp.flush(),
            Link::Tls(tls) => tls.flush(),
        }
    }
}
