//! Many connections at once, each by its plan: a round sends the next piece on every one of them, so
//! that the server sees each piece alone without anybody sleeping.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use super::format::Step;
use super::plan::Plan;
use super::transcript::Ended;
use crate::harness::DEADLINE;

/// A connection, and what came on it.
pub struct Talk {
    stream: TcpStream,
    received: Vec<u8>,
    ended: Option<Ended>,
    /// Sending said so.
    was_reset: bool,
}

/// Carries out the plans side by side. Each outcome is all that came and how it ended, or what went wrong.
pub fn carry_out(address: SocketAddr, plans: &[&Plan]) -> Vec<Result<(Vec<u8>, Ended), String>> {
    let mut talks: Vec<Talk> = plans.iter().map(|_| Talk::begin(address)).collect();
    let rounds = plans.iter().map(|plan| plan.steps.len()).max().unwrap_or_default();
    for round in 0..rounds {
        for (talk, plan) in talks.iter_mut().zip(plans) {
            if let Some(step) = plan.steps.get(round) {
                talk.take(step);
            }
        }
    }
    talks.into_iter().map(Talk::end).collect()
}

impl Talk {
    fn begin(address: SocketAddr) -> Talk {
        let stream = TcpStream::connect(address).expect("connect");
        stream.set_nodelay(true).expect("set nodelay");
        stream.set_read_timeout(Some(DEADLINE)).expect("set a deadline");
        stream.set_write_timeout(Some(DEADLINE)).expect("set a deadline");
        Talk { stream, received: Vec::new(), ended: None, was_reset: false }
    }

    fn take(&mut self, step: &Step) {
        match step {
            // The server may have said its last word, and closed. A reset is told only once, to whoever
            // comes first.
            Step::Send(bytes) => {
                let sent = self.stream.write_all(bytes);
                self.was_reset |= sent.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset);
            }
            Step::Fin => drop(self.stream.shutdown(Shutdown::Write)),
            Step::Await => {
                while !self.received.windows(4).any(|four| four == b"\r\n\r\n") && self.receive().is_ok() {}
            }
        }
    }

    fn end(mut self) -> Result<(Vec<u8>, Ended), String> {
        loop {
            if let Some(ended) = self.ended {
                return Ok((self.received, ended));
            }
            if let Err(error) = self.receive() {
                return Err(format!("{error}, after \"{}\"", self.received.escape_ascii()));
            }
        }
    }

    /// Waits for the next bytes, or the end.
    fn receive(&mut self) -> std::io::Result<()> {
        let mut piece = [0; 16 * 1024];
        match self.stream.read(&mut piece) {
            Ok(0) => self.ended = Some(if self.was_reset { Ended::Reset } else { Ended::Fin }),
            Ok(length) => self.received.extend_from_slice(&piece[..length]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => self.ended = Some(Ended::Reset),
            Err(error) => return Err(error),
        }
        Ok(())
    }
}
