//! Spools against a model of them, and bodies that are taken before they are read.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::ErrorKind;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::Instant;

use super::inbound::{Inbound, Wire};
use super::spool::Spool;
use super::spool_file::BLOCK;
use super::{Broken, Read, Source, SourceError, SpoolFault, SpoolOptions, Spools, Waterline};
use crate::http::decode::BodyError;
use crate::http::framing::Framing;

#[test]
fn random_pushes_and_pops_keep_the_order_and_the_bounds() {
    const LIMIT: u64 = 10 * BLOCK as u64 + 777;
    for seed in 1..=6_u64 {
        on_a_runtime(async {
            let (folder, spools) = spools(LIMIT, LIMIT);
            let waterline = Waterline::new(usize::MAX);
            let mut spool = Spool::new(&spools, &waterline);
            let (mut random, mut model) = (Random(seed), VecDeque::new());
            let mut most = 0;
            for step in 0..400 {
                // It grows for a while, and then it shrinks.
                if random.below(5) < if step / 50 % 2 == 0 { 4 } else { 1 } {
                    let room = poll_fn(|context| spool.poll_room(context)).await;
                    let length =
                        if random.below(2) == 0 { room as u64 } else { random.below(room as u64 + 1) };
                    // Without a period: a block that is not in its place shows.
                    let piece: Vec<u8> = (0..length).map(|_| random.below(256) as u8).collect();
                    spool.push(&piece);
                    model.extend(piece);
                } else {
                    let mut area = vec![0; random.below(3 * BLOCK as u64 / 2) as usize + 1];
                    let length = poll_fn(|context| spool.poll_pop(context, &mut area)).await.unwrap();
                    assert_eq!(length == 0, model.is_empty());
                    assert!(area[..length].iter().copied().eq(model.drain(..length)), "seed {seed}");
                }
                spool.settle();
                most = most.max(model.len());
                assert_eq!(spool.len(), model.len() as u64);
                assert!(spool.len() <= LIMIT && spools.bytes() >= spool.len() && spools.bytes() <= LIMIT);
                assert!(waterline.bytes() <= 3 * BLOCK, "{} bytes of memory", waterline.bytes());
            }
            assert_eq!(most as u64, LIMIT, "all of it was of use");
            drop(spool);
            assert_eq!((spools.bytes(), waterline.bytes(), spools.exchanges()), (0, 0, 1));
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        });
    }
}

#[test]
fn what_is_empty_holds_nothing() {
    on_a_runtime(async {
        let (_folder, spools) = spools(1 << 30, 1 << 30);
        let waterline = Waterline::new(usize::MAX);
        let mut spool = Spool::new(&spools, &waterline);
        fill(&mut spool, 5 * BLOCK).await;
        assert!(waterline.bytes() <= BLOCK, "all but the last block is in the file");
        let mut area = vec![0; BLOCK];
        let mut popped = 0;
        while popped < 5 * BLOCK {
            popped += poll_fn(|context| spool.poll_pop(context, &mut area)).await.unwrap();
        }
        assert!(spool.is_empty());
        assert_eq!((spools.bytes(), waterline.bytes()), (0, 0));
    });
}

#[test]
fn all_spools_together_have_a_bound() {
    on_a_runtime(async {
        let (_folder, spools) = spools(1 << 30, 3 * BLOCK as u64);
        let waterline = Waterline::new(usize::MAX);
        let (mut first, mut second) = (Spool::new(&spools, &waterline), Spool::new(&spools, &waterline));
        fill(&mut first, 2 * BLOCK + 10).await;
        fill(&mut second, BLOCK - 10).await;
        for spool in [&mut first, &mut second] {
            assert_eq!(poll_fn(|context| spool.poll_room(context)).await, 0);
        }
        drop(first);
        assert_eq!(poll_fn(|context| second.poll_room(context)).await, 10);
        second.settle();
        assert_eq!(spools.bytes(), BLOCK as u64 - 10);
    });
}

#[test]
fn memory_is_taken_from_what_waits_for_clients_and_never_the_last_half() {
    on_a_runtime(async {
        let (_folder, spools) = spools(1 << 30, 1 << 30);
        let waterline = Waterline::new(2 * 1000);
        let mut spool = Spool::new(&spools, &waterline);
        assert_eq!(poll_fn(|context| spool.poll_room(context)).await, 1000);
    });
}

#[test]
fn a_file_that_cannot_be_made_loses_nothing() {
    on_a_runtime(async {
        let (folder, spools) = spools(1 << 30, 1 << 30);
        drop(folder);
        let waterline = Waterline::new(usize::MAX);
        let mut spool = Spool::new(&spools, &waterline);
        fill(&mut spool, BLOCK).await;
        assert_eq!(poll_fn(|context| spool.poll_room(context)).await, 0);
        let mut area = vec![1; 2 * BLOCK];
        assert_eq!(poll_fn(|context| spool.poll_pop(context, &mut area)).await, Ok(BLOCK));
        assert!(area[..BLOCK].iter().all(|byte| *byte == 7) && spool.is_empty());
    });
}

#[test]
fn no_spool_without_room_and_none_without_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let options = |exchange, host, folder: &Path| SpoolOptions {
        exchange,
        host,
        folder: folder.into(),
        write_timeout: Duration::from_secs(60),
    };
    let missing = folder.path().join("missing");
    assert!(Spools::open(options(0, 1, &missing)).unwrap().is_none());
    assert!(Spools::open(options(1, 0, &missing)).unwrap().is_none());
    let error = Spools::open(options(1, 1, &missing)).unwrap_err();
    assert!(format!("{error:#}").contains("missing (--spool-dir"), "{error:#}");
    assert!(Spools::open(options(1, 1, folder.path())).unwrap().is_some());
}

#[test]
fn a_body_is_taken_and_read_later_and_what_follows_it_stays() {
    let cases: [(&[u8], Result<Read, SourceError>); 4] = [
        (b"5\r\nHello\r\n2;x\r\n, \r\n5\r\nworld\r\n0\r\n\r\nGET ", Ok(Read::End)),
        // Nothing of what comes behind a fault is taken for the body: not when it is seen again either.
        (b"c\r\nHello, world\r\n\nA\rxxxxxxxxxxxxxxxxxx", Err(SourceError::Malformed(BodyError::ChunkSize))),
        (b"c\r\nHello, world\r\n1\rx", Err(SourceError::Malformed(BodyError::ChunkSize))),
        (b"c\r\nHello, world\r\n5\r\n", Err(SourceError::Incomplete)),
    ];
    for (wire, end) in cases {
        for cut in 1..=wire.len() {
            on_a_runtime(async {
                let (_folder, spools) = spools(1 << 20, 1 << 20);
                let mut inbound = inbound(wire.chunks(cut), &spools);
                inbound.expect(Framing::Chunked);
                assert!(inbound.poll_spool(&mut noop(), Instant::now()).is_pending());
                assert!(inbound.poll_left(&mut noop()).is_pending(), "there is more to read");
                let mut body = Vec::new();
                let mut area = [0; 7];
                let last = loop {
                    match poll_fn(|context| inbound.poll_read(context, &mut area)).await {
                        Ok(Read::Data(length)) => body.extend_from_slice(&area[..length]),
                        last => break last,
                    }
                };
                assert_eq!((&body[..], last), (&b"Hello, world"[..], end), "{cut}");
                assert_eq!(poll_fn(|context| inbound.poll_read(context, &mut area)).await, end);
                assert_eq!((inbound.received(), inbound.is_complete()), (12, end.is_ok()));
                if end.is_ok() {
                    // What of it has arrived.
                    assert!(b"GET ".starts_with(inbound.carry()));
                }
            });
        }
    }
}

#[test]
fn a_rest_that_nobody_wants_is_dropped_up_to_its_end() {
    on_a_runtime(async {
        let (_folder, spools) = spools(1 << 20, 1 << 20);
        let wire: [&[u8]; 3] = [b"Hello", b", world", b"!GET "];
        let mut inbound = inbound(wire.into_iter(), &spools);
        inbound.expect(Framing::Length(13));
        let mut area = [0; 5];
        let read = poll_fn(|context| inbound.poll_read(context, &mut area)).await;
        assert_eq!(read, Ok(Read::Data(5)));
        inbound.drop_rest();
        assert!(inbound.poll_spool(&mut noop(), Instant::now()).is_pending());
        assert!(inbound.is_complete());
        let read = poll_fn(|context| inbound.poll_read(context, &mut area)).await;
        assert_eq!((read, inbound.received(), spools.exchanges()), (Ok(Read::End), 13, 0));
        inbound.expect(Framing::Length(1));
        assert!(inbound.poll_spool(&mut noop(), Instant::now()).is_pending());
        assert!(inbound.is_ready(), "the next body is wanted");
    });
}

#[test]
fn a_connection_that_breaks_ends_it_at_once() {
    on_a_runtime(async {
        let (_folder, spools) = spools(1 << 20, 1 << 20);
        let pieces = VecDeque::from([Ok(b"Hello".to_vec()), Err(ErrorKind::ConnectionReset)]);
        let mut inbound =
            Inbound::new(Pieces(pieces), None).with_spools(Some(&spools), &Waterline::new(9999));
        inbound.expect(Framing::Length(13));
        let taken = inbound.poll_spool(&mut noop(), Instant::now());
        assert!(matches!(taken, Poll::Ready(Broken::Gone)));
    });
}

#[test]
fn without_spools_nothing_is_taken() {
    on_a_runtime(async {
        let pieces = VecDeque::from([Ok(b"Hello".to_vec())]);
        let mut inbound = Inbound::new(Pieces(pieces), None);
        inbound.expect(Framing::Length(5));
        assert!(inbound.poll_spool(&mut noop(), Instant::now()).is_pending());
        assert!(!inbound.is_ready() && !inbound.is_complete());
    });
}

#[test]
fn the_reasons_name_what_to_set() {
    for (fault, flag) in [
        (SpoolFault::Exchange(1 << 30), "1GiB (--spool)"),
        (SpoolFault::Host(4 << 30), "4GiB (--max-spool)"),
        (SpoolFault::Memory, "(--max-buffered)"),
        (SpoolFault::Write(ErrorKind::StorageFull), "(--spool-dir)"),
        (SpoolFault::Read(ErrorKind::Other), "(--spool-dir)"),
    ] {
        assert!(fault.to_string().ends_with(flag), "{fault}");
    }
}

/// A stream in pieces, and its end.
struct Pieces(VecDeque<Result<Vec<u8>, ErrorKind>>);

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        match self.0.pop_front() {
            Some(Ok(mut piece)) => {
                let rest = piece.split_off(piece.len().min(buffer.remaining()));
                buffer.put_slice(&piece);
                if !rest.is_empty() {
                    self.0.push_front(Ok(rest));
                }
            }
            Some(Err(kind)) => return Poll::Ready(Err(kind.into())),
            None => {}
        }
        Poll::Ready(Ok(()))
    }
}

impl Wire for Pieces {
    fn poll_peek(&mut self, _context: &mut Context<'_>) -> Poll<std::io::Result<usize>> {
        Poll::Ready(Ok(usize::from(!self.0.is_empty())))
    }

    fn is_broken(&self) -> bool {
        false
    }
}

fn inbound<'a>(pieces: impl Iterator<Item = &'a [u8]>, spools: &Arc<Spools>) -> Inbound<Pieces> {
    let pieces = pieces.map(|piece| Ok(piece.to_vec())).collect();
    Inbound::new(Pieces(pieces), None).with_spools(Some(spools), &Waterline::new(1 << 20))
}

fn spools(exchange: u64, host: u64) -> (tempfile::TempDir, Arc<Spools>) {
    let folder = tempfile::tempdir().unwrap();
    let write_timeout = Duration::from_secs(600);
    let options = SpoolOptions { exchange, host, folder: folder.path().into(), write_timeout };
    let spools = Spools::open(options).unwrap().unwrap();
    (folder, spools)
}

async fn fill(spool: &mut Spool, mut length: usize) {
    while length > 0 {
        let room = poll_fn(|context| spool.poll_room(context)).await.min(length);
        assert!(room > 0, "there is room");
        spool.push(&vec![7; room]);
        spool.settle();
        length -= room;
    }
}

fn noop() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

fn on_a_runtime(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

/// xorshift: the same numbers for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}
