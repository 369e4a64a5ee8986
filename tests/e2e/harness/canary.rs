//! A rot13 stream that keeps going in lock step while other things go wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::{CHUNKED, Ending, Server, eventually, letters, request, rot13};

/// The longest that any round may take, whatever else the server is suffering.
const PACE: Duration = Duration::from_secs(2);

/// Between rounds, to leave the CPU to the tests that run beside it.
const BREATH: Duration = Duration::from_millis(1);

pub struct Canary {
    rounds: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Canary {
    /// Starts it; `rot13` must be among the server's plugins.
    pub fn start(server: &Server) -> Canary {
        let rounds = Arc::new(AtomicUsize::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let mut client = server.connect();
        let (counter, stopped) = (rounds.clone(), stop.clone());
        let thread = thread::spawn(move || {
            client.send(request("POST", "/rot13", &[CHUNKED]));
            assert_eq!(client.head().status, 200);
            while !stopped.load(Ordering::Relaxed) {
                let round = counter.load(Ordering::Relaxed);
                let begun = Instant::now();
                client.send_chunk(letters(round));
                client.expect(rot13(&letters(round)));
                let took = begun.elapsed();
                assert!(took < PACE, "round {round} took {took:?}");
                counter.store(round + 1, Ordering::Relaxed);
                thread::sleep(BREATH);
            }
            client.send_last_chunk();
            assert_eq!(client.rest(), (vec![], Ending::Clean));
        });
        Canary { rounds, stop, thread }
    }

    /// Waits until it has done some more rounds.
    #[track_caller]
    pub fn sings(&self, more: usize) {
        let goal = self.rounds.load(Ordering::Relaxed) + more;
        eventually("the canary's next rounds", || {
            assert!(!self.thread.is_finished(), "the canary fell silent");
            (self.rounds.load(Ordering::Relaxed) >= goal).then_some(())
        });
    }

    /// Lets its stream end.
    #[track_caller]
    pub fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the canary kept its pace to the end");
    }
}
