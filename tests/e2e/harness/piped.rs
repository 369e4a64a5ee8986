//! A child's stdout, read with deadlines.

use std::io::Read;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;

use super::DEADLINE;

pub struct Piped {
    pieces: Receiver<Vec<u8>>,
    unread: Vec<u8>,
}

impl Piped {
    /// Follows the pipe on a thread of its own. Dropping this value closes the pipe.
    pub fn new(mut source: impl Read + Send + 'static) -> Piped {
        let (sender, pieces) = sync_channel(1);
        thread::spawn(move || {
            let mut piece = vec![0; 64 * 1024];
            while let Ok(len) = source.read(&mut piece) {
                if len == 0 || sender.send(piece[..len].to_vec()).is_err() {
                    return;
                }
            }
        });
        Piped { pieces, unread: Vec::new() }
    }

    /// Stops following, so that the child's next write finds no reader.
    pub fn close(&mut self) {
        let (_, nothing) = sync_channel(1);
        self.pieces = nothing;
    }

    /// Exactly `len` bytes.
    #[track_caller]
    pub fn exactly(&mut self, len: usize) -> Vec<u8> {
        while self.unread.len() < len {
            let piece = self.pieces.recv_timeout(DEADLINE);
            self.unread.extend(piece.expect("more output in time"));
        }
        self.unread.drain(..len).collect()
    }

    /// One line, without its end.
    #[track_caller]
    pub fn line(&mut self) -> String {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                return String::from_utf8_lossy(&line[..end]).into_owned();
            }
            let piece = self.pieces.recv_timeout(DEADLINE);
            self.unread.extend(piece.expect("a line of output in time"));
        }
    }

    /// Everything up to the end of the pipe.
    #[track_caller]
    pub fn rest(&mut self) -> Vec<u8> {
        loop {
            match self.pieces.recv_timeout(DEADLINE) {
                Ok(piece) => self.unread.extend(piece),
                Err(RecvTimeoutError::Disconnected) => return std::mem::take(&mut self.unread),
                Err(RecvTimeoutError::Timeout) => panic!("the output does not end"),
            }
        }
    }
}
