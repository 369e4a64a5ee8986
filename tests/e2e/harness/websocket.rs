//! A raw WebSocket client: frames as they are, and messages put together.

use std::io::Write;
use std::net::TcpStream;

use super::{Client, Head, Server, request};

/// The fields of a good handshake (the key is RFC 6455's own example).
pub const HANDSHAKE: [&str; 4] = [
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

/// What must come back for that key.
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The mask of all frames that are sent: any four bytes are good.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

pub struct WebSocket {
    client: Client,
    pub head: Head,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

/// A frame of the server's.
#[derive(Debug, PartialEq)]
pub struct Frame {
    pub is_final: bool,
    pub opcode: Opcode,
    pub payload: Vec<u8>,
}

/// A whole masked frame: `first` is its first byte, the length is written in the shortest way.
pub fn masked(first: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..126 => frame.push(0x80 | len as u8),
        len @ 126..65_536 => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

impl WebSocket {
    #[track_caller]
    pub fn open(server: &Server, target: &str) -> WebSocket {
        WebSocket::with(server, target, &[])
    }

    /// The same with more fields in the request.
    #[track_caller]
    pub fn with(server: &Server, target: &str, fields: &[&str]) -> WebSocket {
        let mut client = server.connect();
        client.send(request("GET", target, &[&HANDSHAKE, fields].concat()));
        WebSocket::accepted(client)
    }

    /// On a client that has sent its handshake.
    #[track_caller]
    pub fn accepted(mut client: Client) -> WebSocket {
        let head = client.head();
        assert_eq!(head.status, 101);
        assert_eq!(head.field("connection").map(str::to_lowercase).as_deref(), Some("upgrade"));
        assert_eq!(head.field("upgrade"), Some("websocket"));
        assert_eq!(head.field("sec-websocket-accept"), Some(ACCEPT));
        for absent in ["content-length", "transfer-encoding", "sec-websocket-extensions"] {
            assert_eq!(head.field(absent), None);
        }
        WebSocket { client, head }
    }

    pub fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    pub fn sender(&self) -> TcpStream {
        self.client.sender()
    }

    /// Sends bytes as they are.
    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.client.send(bytes);
    }

    #[track_caller]
    pub fn text(&mut self, text: &str) {
        self.send(masked(0x81, text));
    }

    #[track_caller]
    pub fn binary(&mut self, bytes: impl AsRef<[u8]>) {
        self.send(masked(0x82, bytes));
    }

    #[track_caller]
    pub fn ping(&mut self, payload: impl AsRef<[u8]>) {
        self.send(masked(0x89, payload));
    }

    #[track_caller]
    pub fn close(&mut self, code: u16, reason: &str) {
        self.send(masked(0x88, [&code.to_be_bytes(), reason.as_bytes()].concat()));
    }

    /// The next frame, checked for what every frame of a server's must be; none at the connection's end.
    #[track_caller]
    pub fn try_frame(&mut self) -> Option<Frame> {
        let start = self.client.exactly(2)?;
        assert_eq!(start[0] & 0x70, 0, "reserved bits");
        assert_eq!(start[1] & 0x80, 0, "a mask");
        let opcode = match start[0] & 0x0f {
            0 => Opcode::Continuation,
            1 => Opcode::Text,
            2 => Opcode::Binary,
            8 => Opcode::Close,
            9 => Opcode::Ping,
            10 => Opcode::Pong,
            other => panic!("opcode {other}"),
        };
        let length = match start[1] {
            126 => {
                let bytes = self.client.exactly(2)?.try_into().expect("two bytes");
                let length = u16::from_be_bytes(bytes).into();
                assert!(length > 125, "{length} in two bytes");
                length
            }
            127 => {
                let bytes = self.client.exactly(8)?.try_into().expect("eight bytes");
                let length = u64::from_be_bytes(bytes) as usize;
                assert!(length > 65_535, "{length} in eight bytes");
                length
            }
            short => short.into(),
        };
        let payload = self.client.exactly(length)?;
        let is_final = start[0] & 0x80 != 0;
        let is_control = matches!(opcode, Opcode::Close | Opcode::Ping | Opcode::Pong);
        assert!(!is_control || (is_final && length <= 125), "a control frame that is none");
        Some(Frame { is_final, opcode, payload })
    }

    #[track_caller]
    pub fn frame(&mut self) -> Frame {
        self.try_frame().expect("a frame before the connection's end")
    }

    /// The next message, put together. Control frames must not come.
    #[track_caller]
    pub fn message(&mut self) -> (Opcode, Vec<u8>) {
        let first = self.frame();
        assert!(matches!(first.opcode, Opcode::Text | Opcode::Binary), "{:?}", first.opcode);
        let (opcode, mut payload) = (first.opcode, first.payload);
        let mut is_final = first.is_final;
        while !is_final {
            let next = self.frame();
            assert_eq!(next.opcode, Opcode::Continuation);
            payload.extend(next.payload);
            is_final = next.is_final;
        }
        if opcode == Opcode::Text {
            assert!(std::str::from_utf8(&payload).is_ok(), "text that is not UTF-8");
        }
        (opcode, payload)
    }

    #[track_caller]
    pub fn expect_text(&mut self, text: &str) {
        let (opcode, payload) = self.message();
        assert_eq!((opcode, String::from_utf8_lossy(&payload)), (Opcode::Text, text.into()));
    }

    #[track_caller]
    pub fn expect_binary(&mut self, bytes: impl AsRef<[u8]>) {
        let (opcode, payload) = self.message();
        assert_eq!(opcode, Opcode::Binary);
        let same = payload == bytes.as_ref();
        assert!(same, "{} bytes are not the {} that were expected", payload.len(), bytes.as_ref().len());
    }

    #[track_caller]
    pub fn expect_pong(&mut self, payload: impl AsRef<[u8]>) {
        let payload = payload.as_ref().to_vec();
        assert_eq!(self.frame(), Frame { is_final: true, opcode: Opcode::Pong, payload });
    }

    /// The server's Close frame is next: its code, and its reason.
    #[track_caller]
    pub fn closing(&mut self) -> (u16, String) {
        let frame = self.frame();
        assert_eq!(frame.opcode, Opcode::Close, "{:?}", String::from_utf8_lossy(&frame.payload));
        let (code, reason) = frame.payload.split_first_chunk::<2>().expect("a code");
        (u16::from_be_bytes(*code), String::from_utf8(reason.to_vec()).expect("a reason in UTF-8"))
    }

    /// The server says Close with this code, gets an answer, and closes the connection.
    #[track_caller]
    pub fn ends_with(mut self, code: u16) -> String {
        let (said, reason) = self.closing();
        assert_eq!(said, code, "{reason}");
        // It may have closed already.
        self.client.try_send(masked(0x88, code.to_be_bytes()));
        self.client.is_closed();
        reason
    }

    /// A whole closing handshake, begun here.
    #[track_caller]
    pub fn say_goodbye(mut self) {
        self.close(1000, "");
        assert_eq!(self.closing(), (1000, String::new()));
        self.client.is_closed();
    }

    /// Sends from a thread of its own until it is done, or the connection ends.
    pub fn send_beside(&self, bytes: Vec<u8>) -> std::thread::JoinHandle<bool> {
        let mut sender = self.sender();
        std::thread::spawn(move || sender.write_all(&bytes).is_ok())
    }
}
