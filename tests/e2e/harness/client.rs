//! A raw client: bytes out, and the response taken apart as it arrives.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

use socket2::{Domain, Socket, Type};

use super::response::Framing;
use super::tls::{Link, TlsLink, Trust};
use super::{Answer, DEADLINE, Ending, Head, LAST_CHUNK, Step, eventually, letters, rot13, wire_chunk};

pub struct Client {
    stream: Link,
    /// Read from the socket and not looked at yet.
    unread: Vec<u8>,
    framing: Framing,
}

enum Arrived {
    Bytes,
    End,
    /// Without `close_notify`.
    Truncated,
    Reset,
}

impl Client {
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Client {
        Client::over(TcpStream::connect(address).expect("connect"))
    }

    /// The same from an address of its own: all of 127.0.0.0/8 is this machine.
    #[track_caller]
    pub fn connect_from(source: IpAddr, address: SocketAddr) -> Client {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::new(source, 0).into()).expect("bind to the source");
        socket.connect(&address.into()).expect("connect");
        Client::over(socket.into())
    }

    /// The same over a Unix socket. To the standard library one stream socket is like another, so
    /// that the type for TCP serves both.
    #[track_caller]
    pub fn connect_unix(path: impl AsRef<Path>) -> Client {
        let stream = UnixStream::connect(path).expect("connect");
        Client::over(OwnedFd::from(stream).into())
    }

    /// A client on a connection that a test has made itself.
    #[track_caller]
    pub fn over(stream: TcpStream) -> Client {
        if stream.local_addr().is_ok() {
            stream.set_nodelay(true).expect("set nodelay");
        }
        stream.set_read_timeout(Some(DEADLINE)).expect("set a deadline");
        stream.set_write_timeout(Some(DEADLINE)).expect("set a deadline");
        Client { stream: Link::Plain(stream), unread: Vec::new(), framing: Framing::Ended }
    }

    /// The same by TLS; the handshake is over when this returns.
    #[track_caller]
    pub fn secure(address: SocketAddr, trust: &Trust) -> Client {
        Client::try_secure(address, trust).expect("a handshake")
    }

    /// The same, if the handshake succeeds.
    #[track_caller]
    pub fn try_secure(address: SocketAddr, trust: &Trust) -> std::io::Result<Client> {
        let Client { stream, .. } = Client::connect(address);
        let stream = match stream {
            Link::Plain(tcp) => Link::Tls(trust.shake(tcp)?),
            tls => tls,
        };
        Ok(Client { stream, unread: Vec::new(), framing: Framing::Ended })
    }

    /// The TLS connection of a client that has one.
    #[track_caller]
    pub fn tls(&mut self) -> &mut TlsLink {
        self.stream.tls().expect("a client by TLS")
    }

    /// From here on there is no HTTP: all that comes until the connection ends is the answer.
    pub fn raw(mut self) -> Client {
        self.framing = Framing::UntilClose;
        self
    }

    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).expect("send");
        self.stream.flush().expect("send");
    }

    /// Sends what the server takes; it may close in the middle of it.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref());
    }

    /// Sends one wire chunk.
    #[track_caller]
    pub fn send_chunk(&mut self, bytes: impl AsRef<[u8]>) {
        self.send(wire_chunk(bytes));
    }

    #[track_caller]
    pub fn send_last_chunk(&mut self) {
        self.send(LAST_CHUNK);
    }

    /// Sends letters a piece at a time, each answered with its rot13 before the next, to the clean
    /// end of a chunked exchange.
    #[track_caller]
    pub fn rot13_in_lock_step(&mut self, rounds: usize) {
        for round in 0..rounds {
            self.send_chunk(letters(round));
            self.expect(rot13(&letters(round)));
        }
        self.send_last_chunk();
        assert_eq!(self.rest(), (vec![], Ending::Clean));
    }

    /// A second handle, to send from another thread; not by TLS.
    pub fn sender(&self) -> TcpStream {
        self.stream.tcp().try_clone().expect("clone the socket")
    }

    /// Says that no more will be sent, and goes on reading.
    pub fn half_close(&self) {
        self.stream.tcp().shutdown(Shutdown::Write).expect("half-close");
    }

    /// Closes both directions for all handles; the server may have done it before.
    pub fn shut(self) {
        let _ = self.stream.tcp().shutdown(Shutdown::Both);
    }

    /// Goes away with a reset: closing a socket that holds unread bytes sends one. Waits until
    /// those bytes, which end in `last`, are there. Nothing may have been read so far.
    #[track_caller]
    pub fn vanish_before_reading(self, last: &str) {
        assert!(self.unread.is_empty(), "something was read already");
        let mut seen = [0; 4096];
        eventually("the bytes that will stay unread", || {
            let len = self.stream.tcp().peek(&mut seen).expect("look at what arrived");
            let text = String::from_utf8_lossy(&seen[..len]);
            text.contains(last).then_some(())
        });
    }

    /// The next head, final or not; the body behind it is next.
    #[track_caller]
    pub fn head(&mut self) -> Head {
        let head = self.head_without_body();
        self.framing = head.framing();
        head
    }

    /// The next head, of an answer to HEAD.
    #[track_caller]
    pub fn head_without_body(&mut self) -> Head {
        loop {
            let end = self.unread.windows(4).position(|four| four == b"\r\n\r\n");
            if let Some(end) = end {
                let bytes: Vec<u8> = self.unread.drain(..end + 4).collect();
                self.framing = Framing::Ended;
                return Head::parse(&bytes);
            }
            let arrived = self.receive();
            assert!(
                matches!(arrived, Arrived::Bytes),
                "closed before a head, after {:?}",
                String::from_utf8_lossy(&self.unread)
            );
        }
    }

    /// Whatever of the body comes next; waits for at least one byte, or the end.
    #[track_caller]
    pub fn step(&mut self) -> Step {
        loop {
            match self.framing {
                Framing::Ended | Framing::Length(0) => return Step::Over(Ending::Clean),
                Framing::BetweenChunks => {
                    if self.enter_chunk() {
                        continue;
                    }
                }
                Framing::InChunk(0) => {
                    if self.unread.len() >= 2 {
                        assert_eq!(&self.unread[..2], b"\r\n", "the end of a wire chunk");
                        self.unread.drain(..2);
                        self.framing = Framing::BetweenChunks;
                        continue;
                    }
                }
                Framing::InChunk(left) => {
                    if let Some(data) = self.take(left) {
                        self.framing = Framing::InChunk(left - data.len());
                        return Step::Data(data);
                    }
                }
                Framing::Length(left) => {
                    if let Some(data) = self.take(left) {
                        self.framing = Framing::Length(left - data.len());
                        return Step::Data(data);
                    }
                }
                Framing::UntilClose => {
                    if let Some(data) = self.take(usize::MAX) {
                        return Step::Data(data);
                    }
                }
            }
            match (self.receive(), self.framing) {
                (Arrived::Bytes, _) => {}
                (Arrived::End, Framing::UntilClose) => return Step::Over(Ending::Clean),
                (Arrived::End, _) => return Step::Over(Ending::Cut),
                (Arrived::Truncated, _) => return Step::Over(Ending::Truncated),
                (Arrived::Reset, _) => return Step::Over(Ending::Reset),
            }
        }
    }

    /// Exactly `len` bytes of the body, however they arrive.
    #[track_caller]
    pub fn read(&mut self, len: usize) -> Vec<u8> {
        let mut body = Vec::with_capacity(len);
        while body.len() < len {
            match self.step() {
                Step::Data(data) => body.extend(data),
                Step::Over(ending) => panic!("{ending:?} after {} of {len} bytes", body.len()),
            }
        }
        let surplus = body.split_off(len);
        self.give_back(surplus);
        body
    }

    /// Reads the body up to here, and compares.
    #[track_caller]
    pub fn expect(&mut self, body: impl AsRef<[u8]>) {
        let body = body.as_ref();
        let got = self.read(body.len());
        assert_eq!(String::from_utf8_lossy(&got), String::from_utf8_lossy(body));
    }

    /// The rest of the body, and how it ended.
    #[track_caller]
    pub fn rest(&mut self) -> (Vec<u8>, Ending) {
        let mut body = Vec::new();
        loop {
            match self.step() {
                Step::Data(data) => body.extend(data),
                Step::Over(ending) => return (body, ending),
            }
        }
    }

    /// A whole response.
    #[track_caller]
    pub fn answer(&mut self) -> Answer {
        let head = self.head();
        let (body, ending) = self.rest();
        Answer { head, body, ending }
    }

    #[track_caller]
    pub fn exchange(&mut self, request: impl AsRef<[u8]>) -> Answer {
        self.send(request);
        self.answer()
    }

    /// All bytes up to the end of the connection, as they are.
    #[track_caller]
    pub fn everything(&mut self) -> Vec<u8> {
        while let Arrived::Bytes = self.receive() {}
        std::mem::take(&mut self.unread)
    }

    /// Exactly so many bytes as they are, or none when the connection ends before.
    #[track_caller]
    pub fn exactly(&mut self, len: usize) -> Option<Vec<u8>> {
        while self.unread.len() < len {
            if !matches!(self.receive(), Arrived::Bytes) {
                return None;
            }
        }
        Some(self.unread.drain(..len).collect())
    }

    /// The server has closed the connection, without another byte.
    #[track_caller]
    pub fn is_closed(&mut self) {
        let arrived = self.receive();
        assert!(
            !matches!(arrived, Arrived::Bytes),
            "not closed, but {:?}",
            String::from_utf8_lossy(&self.unread)
        );
    }

    /// Takes the size line of the next wire chunk, if all of it is there.
    fn enter_chunk(&mut self) -> bool {
        let Some(end) = self.unread.windows(2).position(|two| two == b"\r\n") else {
            return false;
        };
        let size = String::from_utf8_lossy(&self.unread[..end]).into_owned();
        let size = usize::from_str_radix(&size, 16)
            .unwrap_or_else(|_| panic!("not the size of a wire chunk: {size:?}"));
        if size > 0 {
            self.unread.drain(..end + 2);
            self.framing = Framing::InChunk(size);
            return true;
        }
        if self.unread.len() < end + 4 {
            return false;
        }
        assert_eq!(&self.unread[end..end + 4], b"\r\n\r\n", "no trailers");
        self.unread.drain(..end + 4);
        self.framing = Framing::Ended;
        true
    }

    fn take(&mut self, most: usize) -> Option<Vec<u8>> {
        let len = most.min(self.unread.len());
        (len > 0).then(|| self.unread.drain(..len).collect())
    }

    /// Puts bytes of the body back, so that the next step finds them.
    fn give_back(&mut self, surplus: Vec<u8>) {
        if surplus.is_empty() {
            return;
        }
        match &mut self.framing {
            Framing::InChunk(left) | Framing::Length(left) => *left += surplus.len(),
            Framing::UntilClose => {}
            Framing::BetweenChunks | Framing::Ended => unreachable!("a step leaves its chunk open"),
        }
        self.unread.splice(..0, surplus);
    }

    #[track_caller]
    fn receive(&mut self) -> Arrived {
        let mut piece = [0; 64 * 1024];
        match self.stream.read(&mut piece) {
            Ok(0) => Arrived::End,
            Ok(len) => {
                self.unread.extend_from_slice(&piece[..len]);
                Arrived::Bytes
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Arrived::Reset,
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Arrived::Truncated,
            Err(error) => panic!(
                "nothing more within {DEADLINE:?}: {error}, after {:?}",
                String::from_utf8_lossy(&self.unread)
            ),
        }
    }
}
