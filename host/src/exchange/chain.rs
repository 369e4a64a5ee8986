//! Several plugins on one stream: each stage is [`super::drive`] of its own, joined by pipes.
//!
//! All stages run in the exchange's one task. A stage opens when the stage before it has let its
//! head go, and takes over the fields set there; so the client's head leaves when all have opened,
//! and a stage that holds its head holds that of the whole chain.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use super::pipe::{PipeOutlet, PipeSource, Signs, pipe};
use super::waterline::{Held, Waterline};
use super::{Broken, Finished, Source, drive};
use crate::plugin::{Account, MAX_STAGES, Outlet, Plugin, Request, Tally, Waiting, Wiring};

/// How often the stages are polled in a row before other tasks get their turn.
const MAX_TURNS: usize = 64;

/// One plugin of a chain, and what its instance is told.
pub struct Stage {
    pub plugin: Arc<Plugin>,
    pub request: Arc<dyn Request>,
}

type Running<'a> = Pin<Box<dyn Future<Output = Result<Finished, Broken>> + Send + 'a>>;

/// Runs one exchange through all `stages`, as [`drive`] does through one.
///
/// # Errors
///
/// [`Broken`], and which stage broke.
pub async fn drive_chain<O: Outlet + Clone + 'static>(
    stages: &[Stage],
    account: &Arc<Account>,
    waterline: &Arc<Waterline>,
    source: &mut impl Source,
    outlet: &mut O,
) -> Result<Finished, (usize, Broken)> {
    debug_assert!((1..=MAX_STAGES).contains(&stages.len()) && account.stages.len() == stages.len());
    if let [stage] = stages {
        let wiring = wiring(stage, Tally::of(account, 0), Box::new(outlet.clone()));
        return drive(&stage.plugin, wiring, source, outlet).await.map_err(|broken| (0, broken));
    }
    let mut chain = Chain::assemble(stages, account, waterline, source, outlet);
    poll_fn(|context| chain.poll(context, outlet)).await
}

fn wiring(stage: &Stage, tally: Tally, outlet: Box<dyn Outlet>) -> Wiring {
    Wiring { tally, outlet, request: Arc::clone(&stage.request), inherited: None }
}

struct Chain<'a> {
    /// `None` where the stage is done.
    running: Vec<Option<Running<'a>>>,
    /// The outlets between the stages: the one behind stage `i` at `i`.
    pipes: Vec<PipeOutlet>,
    /// What waits in the pipes.
    held: Held,
    account: Arc<Account>,
    signs: Arc<Signs>,
    /// The first stage is done with a body that may still be coming, or a stage finished before
    /// the one that feeds it.
    is_early: Arc<AtomicBool>,
}

impl<'a> Chain<'a> {
    fn assemble<O: Outlet + Clone + 'static>(
        stages: &'a [Stage],
        account: &Arc<Account>,
        waterline: &Arc<Waterline>,
        source: &'a mut impl Source,
        outlet: &O,
    ) -> Self {
        let signs = Arc::new(Signs::default());
        signs.is_awaited.store(outlet.is_awaited(), Ordering::Relaxed);
        let is_early = Arc::new(AtomicBool::new(false));
        let has_body = source.has_body();
        let mut running: Vec<Option<Running<'a>>> = Vec::with_capacity(stages.len());
        let mut pipes = Vec::new();
        let mut client = Some(source);
        let mut feed: Option<PipeSource> = None;
        for (index, stage) in stages[..stages.len() - 1].iter().enumerate() {
            let tally = Tally::of(account, index);
            let (pipe, next) = pipe(&signs, has_body, tally.clone());
            pipes.push(pipe.clone());
            let wiring = wiring(stage, tally, Box::new(pipe.clone()));
            let future: Running<'a> = match (feed.replace(next), client.take()) {
                (Some(feed), _) => Box::pin(run_later(&stage.plugin, wiring, feed, pipe)),
                (None, Some(client)) => {
                    Box::pin(run_first(&stage.plugin, wiring, client, pipe, Arc::clone(&is_early)))
                }
                (None, None) => continue,
            };
            running.push(Some(future));
        }
        if let (Some(feed), Some(last)) = (feed, stages.last()) {
            let wiring = wiring(last, Tally::of(account, stages.len() - 1), Box::new(outlet.clone()));
            running.push(Some(Box::pin(run_later(&last.plugin, wiring, feed, outlet.clone()))));
        }
        let (held, account) = (Held::new(Arc::clone(waterline)), Arc::clone(account));
        Self { running, pipes, held, account, signs, is_early }
    }

    /// Polls all stages in turn, the first one first: what a stage writes, the next one reads in the
    /// same turn. Another turn is due when one of them made room for those before it.
    fn poll(
        &mut self,
        context: &mut Context<'_>,
        outlet: &impl Outlet,
    ) -> Poll<Result<Finished, (usize, Broken)>> {
        for _ in 0..MAX_TURNS {
            self.signs.is_due.store(false, Ordering::Relaxed);
            for stage in 0..self.running.len() {
                let Some(running) = &mut self.running[stage] else {
                    continue;
                };
                match running.as_mut().poll(context) {
                    Poll::Pending => {}
                    Poll::Ready(Err(broken)) => return Poll::Ready(Err((stage, broken))),
                    Poll::Ready(Ok(finished)) => {
                        if let Some(finished) = self.finish(stage, finished) {
                            return Poll::Ready(Ok(finished));
                        }
                    }
                }
            }
            if self.signs.set_stalled(outlet.stalled_since()) {
                // The first stage is told, which has the client at its back.
                continue;
            }
            if !self.signs.is_due.load(Ordering::Relaxed) {
                if outlet.is_mute() && !self.signs.is_mute.swap(true, Ordering::Relaxed) {
                    // Those before the last stage are told.
                    continue;
                }
                return if self.hold() {
                    Poll::Pending
                } else {
                    Poll::Ready(Err((self.running.len() - 1, Broken::Full)))
                };
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Nothing moves: if it is the client who does not read, what is in the pipes waits for it. False
    /// when the host has no room for that.
    fn hold(&mut self) -> bool {
        let last = self.account.stages.last();
        let waits_for_client = last.is_some_and(|last| last.waiting() == Waiting::Client);
        let waiting = if waits_for_client { self.pipes.iter().map(PipeOutlet::pending).sum() } else { 0 };
        self.held.set(waiting)
    }

    /// A stage has said its last word. What feeds it is needed no more; what it feeds is told.
    /// With the last stage, the exchange is finished.
    fn finish(&mut self, stage: usize, finished: Finished) -> Option<Finished> {
        self.running[stage] = None;
        if finished == Finished::Early && stage > 0 {
            self.is_early.store(true, Ordering::Relaxed);
            for before in &mut self.running[1..stage] {
                *before = None;
            }
            // The first one goes on watching the client.
            self.signs.is_due.store(true, Ordering::Relaxed);
        }
        match self.pipes.get(stage) {
            Some(pipe) => {
                pipe.end();
                None
            }
            None if self.is_early.load(Ordering::Relaxed) => Some(Finished::Early),
            None => Some(Finished::Complete),
        }
    }
}

/// The first stage, which has the client at its back: when it is done, it goes on watching for a
/// client that leaves.
async fn run_first(
    plugin: &Arc<Plugin>,
    wiring: Wiring,
    source: &mut impl Source,
    pipe: PipeOutlet,
    is_early: Arc<AtomicBool>,
) -> Result<Finished, Broken> {
    let finished = {
        let mut out = pipe.clone();
        let mut driving = pin!(drive(plugin, wiring, source, &mut out));
        let finished = poll_fn(|context| {
            if is_early.load(Ordering::Relaxed) {
                // A later stage needs it no more.
                return Poll::Ready(Ok(Finished::Early));
            }
            driving.as_mut().poll(context)
        });
        finished.await?
    };
    if finished == Finished::Early {
        is_early.store(true, Ordering::Relaxed);
        source.drop_rest();
    }
    pipe.end();
    let left = poll_fn(|context| {
        if let Some(since) = pipe.stalled_since()
            && let Poll::Ready(broken) = source.poll_spool(context, since)
        {
            return Poll::Ready(broken);
        }
        source.poll_left(context)
    });
    match left.await {
        // Nobody waits for the rest of the body any more, but for the client to be there.
        Broken::Client(_) if is_early.load(Ordering::Relaxed) => {
            poll_fn(|context| source.poll_gone(context)).await;
            Err(Broken::Gone)
        }
        broken => Err(broken),
    }
}

async fn run_later(
    plugin: &Arc<Plugin>,
    wiring: Wiring,
    mut feed: PipeSource,
    mut outlet: impl Outlet,
) -> Result<Finished, Broken> {
    drive(plugin, wiring, &mut feed, &mut outlet).await
}
