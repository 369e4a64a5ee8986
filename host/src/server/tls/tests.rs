//! A connection by itself, with a client that does what real ones seldom do.

use std::future::poll_fn;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt as _, AsyncWrite as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::channel::MAX_ENCRYPTED;
use super::{ClientAuth, Inside, Tls, TlsOptions, TlsReadHalf, TlsWriteHalf};
use crate::exchange::inbound::Wire as _;

/// Nothing here takes so long.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the sockets of a client and a server that is to be stopped hold, in bytes. Loopback gives some
/// more.
const SMALL: usize = 16 * 1024;

type Link = StreamOwned<ClientConnection, std::net::TcpStream>;

/// A server with a certificate of its own, and how its clients go about it.
fn tls(version: &'static SupportedProtocolVersion) -> (Arc<Tls>, ClientConfig, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let key = KeyPair::generate().unwrap();
    let pem = key.serialize_pem();
    let own = CertifiedIssuer::self_signed(CertificateParams::new(["w.test".into()]).unwrap(), key).unwrap();
    let [cert, key] = ["cert.pem", "key.pem"].map(|name| folder.path().join(name));
    std::fs::write(&cert, own.pem()).unwrap();
    std::fs::write(&key, pem).unwrap();
    let options = TlsOptions { cert, key, client_ca: None, client_auth: ClientAuth::Required };
    let mut roots = RootCertStore::empty();
    roots.add(own.der().clone()).unwrap();
    let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (Tls::load(&options).unwrap(), client, folder)
}

/// A blocking client whose socket holds little.
fn dial(address: SocketAddr, config: ClientConfig) -> Link {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(SMALL).unwrap();
    socket.connect(&address.into()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let name = ServerName::try_from("w.test").unwrap();
    let mut link = StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), socket.into());
    while link.conn.is_handshaking() {
        link.conn.complete_io(&mut link.sock).unwrap();
    }
    link
}

/// Runs `client` on a thread, and gives the server's halves.
async fn connect<T: Send + 'static>(
    version: &'static SupportedProtocolVersion,
    client: impl FnOnce(Link) -> T + Send + 'static,
) -> (TlsReadHalf, TlsWriteHalf, thread::JoinHandle<T>) {
    let (tls, config, _folder) = tls(version);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let thread = thread::spawn(move || client(dial(address, config)));
    let (tcp, _) = listener.accept().await.unwrap();
    socket2::SockRef::from(&tcp).set_send_buffer_size(SMALL).unwrap();
    let (read, write) = tls.shake(tcp, Inside::Raw, PATIENCE).await.unwrap();
    (read, write, thread)
}

/// Bytes that are nowhere the same.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index * 7 + index / 251) as u8).collect()
}

#[tokio::test]
async fn what_is_written_has_left_and_arrives_once() {
    for version in [&TLS12, &TLS13] {
        let (go, gone) = mpsc::channel();
        let total = 20 * MAX_ENCRYPTED + 1;
        let (mut read, mut write, client) = connect(version, move |mut link| {
            gone.recv_timeout(PATIENCE).unwrap();
            if link.conn.protocol_version() == Some(rustls::ProtocolVersion::TLSv1_3) {
                // It asks the server for new keys, in the middle of what the server writes.
                link.conn.refresh_traffic_keys().unwrap();
            }
            link.write_all(b"x").unwrap();
            let mut got = vec![0; total];
            // In pieces that are no records.
            got.chunks_mut(1_000).for_each(|piece| link.read_exact(piece).unwrap());
            got
        })
        .await;
        let bytes = pattern(total);
        let mut said = 0;
        let mut stops = 0;
        while said < total {
            let pushed =
                poll_fn(|context| Poll::Ready(Pin::new(&mut write).poll_write(context, &bytes[said..])));
            match pushed.await {
                Poll::Ready(length) => said += length.unwrap(),
                Poll::Pending => {
                    stops += 1;
                    if stops == 1 {
                        assert!(said <= 4 * 1024 * 1024 && said < total, "the sockets hold little");
                        go.send(()).unwrap();
                        // A pending write is not in the way of reading, and reading not in its way.
                        assert_eq!(poll_fn(|context| read.poll_peek(context)).await.unwrap(), 1);
                        assert_eq!(read.read_u8().await.unwrap(), b'x');
                    }
                    poll_fn(|context| Pin::new(&mut write).poll_write(context, &bytes[said..]))
                        .await
                        .map(|length| said += length)
                        .unwrap();
                }
            }
        }
        write.flush().await.unwrap();
        assert!(stops > 1, "it never had to wait");
        assert!(client.join().unwrap() == bytes, "what arrived is not what was written");
    }
}

#[tokio::test]
async fn keys_that_are_used_up_end_nothing_in_good_order() {
    let (read, mut write, client) = connect(&TLS12, |mut link| {
        let mut got = Vec::new();
        (link.read_to_end(&mut got).unwrap_err().kind(), got)
    })
    .await;
    let records = write.records_left();
    assert!((1..1 << 30).contains(&records), "{records}");
    write.set_records_left(2);
    write.write_all(b"one").await.unwrap();
    write.write_all(b"two").await.unwrap();
    let error = write.write_all(b"three").await.unwrap_err();
    assert!(error.to_string().contains("used up"), "{error}");
    drop((read, write));
    assert_eq!(client.join().unwrap(), (ErrorKind::UnexpectedEof, b"onetwo".to_vec()));
}

#[tokio::test]
async fn only_a_shutdown_that_is_no_cut_says_close_notify() {
    for version in [&TLS12, &TLS13] {
        for (is_cut, is_shut) in [(false, true), (true, true), (false, false)] {
            let (read, mut write, client) = connect(version, |mut link| {
                let mut got = Vec::new();
                link.read_to_end(&mut got).map_err(|error| error.kind()).map(|_| got)
            })
            .await;
            write.write_all(b"all").await.unwrap();
            read.set_cut(is_cut);
            if is_shut {
                write.shutdown().await.unwrap();
            }
            drop(write);
            drop(read);
            let clean = Ok(b"all".to_vec());
            let expected = if is_cut || !is_shut { Err(ErrorKind::UnexpectedEof) } else { clean };
            assert_eq!(client.join().unwrap(), expected);
        }
    }
}

#[tokio::test]
async fn an_end_is_close_notify_and_nothing_else() {
    for version in [&TLS12, &TLS13] {
        for is_said in [true, false] {
            let (mut read, _write, client) = connect(version, move |mut link| {
                link.write_all(b"abc").unwrap();
                if is_said {
                    link.conn.send_close_notify();
                }
                link.flush().unwrap();
                link.sock.shutdown(std::net::Shutdown::Write).unwrap();
                link
            })
            .await;
            let _link = client.join().unwrap();
            let mut got = Vec::new();
            // Again and again: an end stays an end, an error an error.
            assert_eq!(read.read_to_end(&mut got).await.is_ok(), is_said);
            let peeked = poll_fn(|context| read.poll_peek(context)).await;
            assert_eq!(
                peeked.map_err(|error| error.kind()),
                [Err(ErrorKind::UnexpectedEof), Ok(0)][usize::from(is_said)]
            );
            assert_eq!((read.read_u8().await.is_err(), got), (true, b"abc".to_vec()));
            assert!(!read.is_broken(), "it may be a half-close");
        }
    }
}
