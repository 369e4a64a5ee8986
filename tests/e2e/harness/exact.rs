//! Whether a plugin changes bytes exactly as it should, however they come.

use std::io::Write;
use std::thread;

use super::{CHUNKED, Ending, KIB, LAST_CHUNK, Server, noise, request, wire_chunk};

impl Server {
    /// The table: bodies of several kinds, cut in several ways, and a duplex in lock step.
    #[track_caller]
    pub fn is_exact(&self, target: &str, expected: impl Fn(&[u8]) -> Vec<u8>) {
        let all: Vec<u8> = (0..=255).collect();
        let long = noise(4, 64 * KIB);
        let bodies: [(&str, &[u8], Cut); 7] = [
            ("empty", b"", at_once),
            ("one byte", b"n", at_once),
            ("all 256 values", &all, at_once),
            ("all 256 values byte by byte", &all, byte_by_byte),
            ("512 bytes byte by byte", &long[..512], byte_by_byte),
            ("64 KiB", &long, at_once),
            ("64 KiB cut at odd places", &long, odd),
        ];
        for (what, body, cut) in bodies {
            println!("{target}: {what}");
            self.sends(target, body, cut, &expected(body));
        }
        self.in_lock_step(target, 100, expected);
    }

    /// Sends a chunked body, cut in some way, and expects this answer as a whole.
    #[track_caller]
    pub fn sends(&self, target: &str, body: &[u8], cut: Cut, expected: &[u8]) {
        let mut client = self.connect();
        client.send(request("POST", target, &[CHUNKED]));
        let (mut sender, body) = (client.sender(), body.to_vec());
        let upload = thread::spawn(move || {
            let mut rest = &body[..];
            for round in 0.. {
                if rest.is_empty() {
                    break;
                }
                let (piece, behind) = rest.split_at(cut(round).min(rest.len()));
                sender.write_all(&wire_chunk(piece)).expect("send a piece");
                rest = behind;
            }
            sender.write_all(LAST_CHUNK).expect("send the end");
        });
        assert_eq!(client.head().status, 200);
        let (received, ending) = client.rest();
        upload.join().expect("all is sent");
        assert_eq!(ending, Ending::Clean);
        let place = received.iter().zip(expected).position(|(got, wanted)| got != wanted);
        assert_eq!((received.len(), place), (expected.len(), None), "length, and where it differs");
    }

    /// Pieces of noise, each answered before the next is sent.
    #[track_caller]
    pub fn in_lock_step(&self, target: &str, rounds: usize, expected: impl Fn(&[u8]) -> Vec<u8>) {
        let mut client = self.connect();
        client.send(request("POST", target, &[CHUNKED]));
        assert_eq!(client.head().status, 200);
        for round in 0..rounds {
            let piece = noise(round as u64, 1 + round * 97 % 5000);
            client.send_chunk(&piece);
            assert!(client.read(piece.len()) == expected(&piece), "{target}: round {round} differs");
        }
        client.send_last_chunk();
        assert_eq!(client.rest(), (vec![], Ending::Clean));
    }
}

/// The length of the next piece, by its number.
pub type Cut = fn(usize) -> usize;

pub fn at_once(_: usize) -> usize {
    usize::MAX
}

pub fn byte_by_byte(_: usize) -> usize {
    1
}

/// Never a power of two, and now and then a single byte.
pub fn odd(round: usize) -> usize {
    [1, 4093, 7, 65, 2_999, 1, 8_191, 127][round % 8]
}
