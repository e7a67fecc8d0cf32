//! Spans on their way out: a bounded queue, a batch at most every tenth of a second, retries, and a count of what was lost.

mod encode;
mod post;

pub(crate) use encode::Source;
pub(crate) use post::EndpointError;

use crate::stats::Stats;
use crate::trace::EndedSpan;
use post::{Endpoint, Refusal};
use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::time::{sleep, timeout};

/// Spans that wait to be sent; more are dropped and counted.
const QUEUE: usize = 16_384;
/// Spans in one request.
const BATCH: usize = 512;
/// How long the first span of a batch waits for others.
const WAIT: Duration = Duration::from_millis(100);
/// One attempt to send.
const ATTEMPT: Duration = Duration::from_secs(2);
/// First pause before an attempt is repeated; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Attempts for one batch, about ten seconds in all.
const ATTEMPTS: u32 = 12;

/// The queue's end that takes spans.
pub(crate) struct Spans {
    queue: Option<mpsc::Sender<EndedSpan>>,
    stats: Arc<Stats>,
}

/// The queue's other end.
pub(crate) struct Exporter {
    queue: mpsc::Receiver<EndedSpan>,
    endpoint: Endpoint,
    source: Source,
    stats: Arc<Stats>,
    stop: Arc<Notify>,
}

impl Spans {
    /// Spans that go nowhere: they are counted as ended, and that is all.
    pub(crate) fn nowhere(stats: Arc<Stats>) -> Self {
        Self { queue: None, stats }
    }

    /// A queue to the receiver at `url`.
    pub(crate) fn to(
        url: &str,
        source: Source,
        stats: Arc<Stats>,
    ) -> Result<(Self, Exporter), EndpointError> {
        let endpoint = Endpoint::new(url)?;
        let (sender, queue) = mpsc::channel(QUEUE);
        let exporter = Exporter {
            queue,
            endpoint,
            source,
            stats: Arc::clone(&stats),
            stop: Arc::new(Notify::new()),
        };
        Ok((
            Self {
                queue: Some(sender),
                stats,
            },
            exporter,
        ))
    }

    /// Takes an ended span; never waits.
    pub(crate) fn push(&self, span: EndedSpan) {
        self.stats.span_ended(span.trace);
        if self
            .queue
            .as_ref()
            .is_some_and(|queue| queue.try_send(span).is_err())
        {
            Stats::count(&self.stats.spans_dropped);
        }
    }
}

impl Exporter {
    /// Tells [`run`](Self::run) to send what waits and to end.
    pub(crate) fn stop(&self) -> Arc<Notify> {
        Arc::clone(&self.stop)
    }

    /// Sends spans until it is told to stop, or the last [`Spans`] is gone, and nothing waits any more.
    pub(crate) async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        while self.fill(&mut batch).await {
            self.send(&batch).await;
            batch.clear();
        }
    }

    /// Waits for a span, then for others. False: there will be none.
    async fn fill(&mut self, batch: &mut Vec<EndedSpan>) -> bool {
        if self.more(batch, pending()).await == 0 {
            return false;
        }
        let wait = sleep(WAIT);
        let mut wait = pin!(wait);
        while batch.len() < BATCH && self.more(batch, wait.as_mut()).await > 0 {}
        true
    }

    /// Adds the spans that come first, at least one. None: `until` came before, or there will be none.
    async fn more(&mut self, batch: &mut Vec<EndedSpan>, until: impl Future<Output = ()>) -> usize {
        let room = BATCH - batch.len();
        let mut until = pin!(until);
        loop {
            tokio::select! {
                count = self.queue.recv_many(batch, room) => return count,
                () = self.stop.notified() => self.queue.close(),
                () = &mut until => return 0,
            }
        }
    }

    async fn send(&self, batch: &[EndedSpan]) {
        let body = self.source.encode(batch);
        let mut pause = FIRST_PAUSE;
        for attempt in 1..=ATTEMPTS {
            let refusal = match timeout(ATTEMPT, self.endpoint.post(body.clone())).await {
                Ok(Ok(rejected)) => return self.taken(batch.len(), rejected),
                Ok(Err(refusal)) => refusal,
                Err(_) => Refusal::ForNow(None),
            };
            Stats::count(&self.stats.exports_failed);
            match refusal {
                Refusal::ForNow(wanted) if attempt < ATTEMPTS => {
                    sleep(wanted.unwrap_or(pause).min(LONGEST_PAUSE)).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                _ => break,
            }
        }
        Stats::add(&self.stats.spans_dropped, batch.len());
    }

    fn taken(&self, sent: usize, rejected: usize) {
        let rejected = rejected.min(sent);
        Stats::add(&self.stats.spans_exported, sent - rejected);
        Stats::add(&self.stats.spans_dropped, rejected);
    }
}
