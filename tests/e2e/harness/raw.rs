//! Streams of bytes without HTTP: raw upgrades and raw connections.

use std::io::Write;
use std::net::SocketAddr;
use std::thread;

use super::{Blocks, Client, Ending, MIB, Server, letters, request, rot13};

/// The fields that ask for a raw upgrade.
pub const UPGRADE: [&str; 2] = ["Connection: Upgrade", "Upgrade: wasmplex"];

impl Client {
    /// Asks for a raw upgrade, gets it, and goes over.
    #[track_caller]
    pub fn upgrade(mut self, target: &str) -> Client {
        self.send(request("GET", target, &UPGRADE));
        let head = self.head();
        assert_eq!(head.status, 101, "{head:?}");
        self.raw()
    }

    /// Sends letters a piece at a time, each answered with its rot13 before the next.
    #[track_caller]
    pub fn rot13_in_raw_lock_step(&mut self, rounds: usize) {
        for round in 0..rounds {
            self.send(letters(round));
            self.expect(rot13(&letters(round)));
        }
    }

    /// The contract of raw bytes through rot13: lock step, then many MiB with both directions full at
    /// once, then FIN from this side, and FIN from the other.
    #[track_caller]
    pub fn rot13_raw_and_whole(mut self) {
        const BLOCKS: usize = 16;
        self.rot13_in_raw_lock_step(100);
        let mut sender = self.sender();
        let upload = thread::spawn(move || {
            let mut blocks = Blocks::new(5);
            for number in 0..BLOCKS {
                sender.write_all(blocks.block(number)).expect("send");
            }
        });
        let mut blocks = Blocks::new(5).rot13();
        for number in 0..BLOCKS {
            let same = self.read(MIB) == blocks.block(number);
            assert!(same, "MiB number {number} is not the rot13 of what was sent");
        }
        upload.join().expect("the upload went through");
        self.half_close();
        assert_eq!(self.rest(), (vec![], Ending::Clean));
    }
}

impl Server {
    /// A raw upgrade on a connection of its own.
    #[track_caller]
    pub fn upgrade(&self, target: &str) -> Client {
        self.connect().upgrade(target)
    }

    /// The address of the next listener, which must be a raw one with this route.
    #[track_caller]
    pub fn next_raw(&mut self, route: &str) -> SocketAddr {
        let place = self.next_place();
        let address =
            place.strip_suffix(&format!(" for {route}")).and_then(|rest| rest.strip_prefix("tcp://"));
        let address = address.unwrap_or_else(|| panic!("not a raw listener for {route}: {place}"));
        address.parse().expect("an address with a port")
    }
}
