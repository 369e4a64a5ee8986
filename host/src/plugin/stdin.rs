//! Standard input of a command, and the standard descriptors that it has closed: what the program, in
//! the middle of its one call, and the exchange outside of it have in common.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::time::Instant;

/// The longest that a program sleeps without being looked at: what is longer is slept in parts. A
/// bound for the arithmetic of time, no more.
const MAX_SLEEP: Duration = Duration::from_secs(24 * 3_600);

/// What a program that is suspended waits for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Asks {
    /// Bytes of standard input, or its end.
    pub(super) input: bool,
    /// The time to go on at whatever comes.
    pub(super) until: Option<Instant>,
    /// It does not wait, it only looks whether there is input.
    pub(super) is_look: bool,
}

impl Asks {
    /// A program that waits for input alone.
    pub(super) const INPUT: Self = Self { input: true, until: None, is_look: false };

    /// A program that waits until `due` at the latest.
    pub(super) fn until(input: bool, due: Instant) -> Self {
        Self { input, until: Some(due.min(Instant::now() + MAX_SLEEP)), is_look: false }
    }

    /// A program that wants to know whether there is input, and goes on at once.
    pub(super) fn look() -> Self {
        let now = Instant::now();
        // Timers count in milliseconds, and round up.
        let past = now.checked_sub(Duration::from_millis(2)).unwrap_or(now);
        Self { input: true, until: Some(past), is_look: true }
    }
}

/// What a program that is suspended is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Answer {
    /// To let its response head go, and to wait on.
    Begin,
    /// To go on.
    GoOn,
}

/// Both sides belong to one task: the lock is never contended, and nobody needs waking.
#[derive(Debug, Default)]
pub(super) struct Stdin(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    bytes: Vec<u8>,
    /// How many of them were read.
    taken: usize,
    at_end: bool,
    asks: Option<Asks>,
    /// The time that it was woken for, until it takes note of that.
    woken: Option<Instant>,
    /// It waits for long: the response head is to go.
    must_begin: bool,
    /// Descriptors 0 to 2 that the program has closed, a bit each.
    closed: u8,
}

impl Stdin {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic elsewhere leaves positions that are still consistent.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The program's side: suspends it.
    pub(super) fn ask(&self, asks: Asks) {
        self.lock().asks = Some(asks);
    }

    /// The program's side: ready when it is to do something.
    pub(super) fn poll_answer(&self) -> Poll<Answer> {
        let mut inner = self.lock();
        if inner.asks.is_none() {
            return Poll::Ready(Answer::GoOn);
        }
        if std::mem::take(&mut inner.must_begin) { Poll::Ready(Answer::Begin) } else { Poll::Pending }
    }

    /// The exchange's side: the program is to let its response head go when it is polled.
    pub(super) fn begin(&self) {
        self.lock().must_begin = true;
    }

    /// What the program waits for, if it does.
    pub(super) fn asks(&self) -> Option<Asks> {
        self.lock().asks
    }

    /// The exchange's side: the time that the program asked for has come.
    pub(super) fn wake(&self) {
        let mut inner = self.lock();
        inner.woken = inner.asks.take().and_then(|asks| asks.until);
    }

    /// The program's side: the present time, or what it was woken for if that is later. It is the exchange
    /// that says when a sleep is over, and a replay does not wait for it.
    pub(super) fn now(&self) -> Instant {
        let now = Instant::now();
        self.lock().woken.take().map_or(now, |woken| woken.max(now))
    }

    /// Lets `put` add bytes at the end. A program that waits for them goes on.
    pub(super) fn put<R>(&self, put: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        let mut inner = self.lock();
        let before = inner.bytes.len();
        let answer = put(&mut inner.bytes);
        if inner.bytes.len() > before {
            inner.answer();
        }
        answer
    }

    /// No more bytes will come.
    pub(super) fn end(&self) {
        let mut inner = self.lock();
        inner.at_end = true;
        inner.answer();
    }

    /// How many bytes can be read without waiting: 0 at the end, `None` if one has to wait.
    pub(super) fn available(&self) -> Option<usize> {
        let inner = self.lock();
        match inner.bytes.len() - inner.taken {
            0 if inner.at_end => Some(0),
            0 => None,
            count => Some(count),
        }
    }

    /// Hands `take` the bytes that are there; it says how many of them it took.
    pub(super) fn take<E>(&self, take: impl FnOnce(&[u8]) -> Result<usize, E>) -> Result<usize, E> {
        let mut inner = self.lock();
        let taken = take(&inner.bytes[inner.taken..])?;
        inner.taken += taken;
        if inner.taken == inner.bytes.len() {
            // A program that waits keeps no buffer.
            (inner.bytes, inner.taken) = (Vec::new(), 0);
        }
        Ok(taken)
    }

    /// Notes that the program has closed this descriptor, 0 to 2. False if it had done so before.
    pub(super) fn close(&self, descriptor: u32) -> bool {
        let mut inner = self.lock();
        let was_open = inner.closed & (1 << descriptor) == 0;
        inner.closed |= 1 << descriptor;
        was_open
    }

    /// Whether the program has closed this descriptor, 0 to 2.
    pub(super) fn is_closed(&self, descriptor: u32) -> bool {
        self.lock().closed & (1 << descriptor) != 0
    }
}

impl Inner {
    fn answer(&mut self) {
        if self.asks.is_some_and(|asks| asks.input) {
            self.asks = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(stdin: &Stdin, most: usize) -> Vec<u8> {
        let mut out = Vec::new();
        let taken = stdin.take(|bytes| {
            out.extend_from_slice(&bytes[..bytes.len().min(most)]);
            Ok::<_, ()>(out.len())
        });
        assert_eq!(taken, Ok(out.len()));
        out
    }

    #[test]
    fn bytes_come_in_order_and_then_the_end() {
        let stdin = Stdin::default();
        assert_eq!(stdin.available(), None);
        stdin.put(|bytes| bytes.extend_from_slice(b"hello"));
        assert_eq!((stdin.available(), read(&stdin, 2)), (Some(5), b"he".to_vec()));
        stdin.put(|bytes| bytes.extend_from_slice(b" you"));
        assert_eq!((stdin.available(), read(&stdin, 99)), (Some(7), b"llo you".to_vec()));
        assert_eq!(stdin.available(), None);
        stdin.end();
        assert_eq!((stdin.available(), read(&stdin, 9)), (Some(0), Vec::new()));
    }

    #[test]
    fn a_program_goes_on_when_it_has_what_it_asked_for() {
        let stdin = Stdin::default();
        let due = Instant::now() + Duration::from_secs(1);
        stdin.ask(Asks::until(false, due));
        stdin.put(|bytes| bytes.push(1));
        stdin.end();
        assert_eq!(stdin.asks(), Some(Asks { input: false, until: Some(due), is_look: false }));
        assert!(stdin.now() < due);
        stdin.wake();
        assert_eq!(stdin.asks(), None);
        assert_eq!(stdin.now(), due);
        assert!(stdin.now() < due);
        for answer in [|stdin: &Stdin| stdin.put(|bytes| bytes.push(1)), |stdin: &Stdin| stdin.end()] {
            stdin.ask(Asks::INPUT);
            stdin.put(|_| ());
            assert!(stdin.asks().is_some());
            answer(&stdin);
            assert_eq!(stdin.asks(), None);
        }
    }

    #[test]
    fn a_program_that_waits_is_told_to_begin_once() {
        let stdin = Stdin::default();
        stdin.ask(Asks::INPUT);
        assert_eq!(stdin.poll_answer(), Poll::Pending);
        stdin.begin();
        assert_eq!(stdin.poll_answer(), Poll::Ready(Answer::Begin));
        assert_eq!(stdin.poll_answer(), Poll::Pending);
        stdin.end();
        assert_eq!(stdin.poll_answer(), Poll::Ready(Answer::GoOn));
    }

    #[test]
    fn descriptors_close_once() {
        let stdin = Stdin::default();
        assert!(stdin.close(1) && !stdin.close(1));
        assert_eq!([0, 1, 2].map(|descriptor| stdin.is_closed(descriptor)), [false, true, false]);
    }
}
