//! What a shard counts while it works through its readers.

use crate::hub::Hub;
use crate::metrics::{Counts, Metrics};
use std::sync::Arc;
use tokio::time::Instant;

/// So many writes share one look at the clock. They take a tenth of a millisecond together, which is far
/// below what latency is told in.
const WRITES_A_LOOK: u32 = 16;

/// The counts of one hub at a time: nearly always there is but one.
#[derive(Default)]
pub(super) struct Tally {
    metrics: Option<Arc<Metrics>>,
    counts: Counts,
    clock: Clock,
}

#[derive(Default)]
struct Clock {
    now: Option<Instant>,
    n_writes: u32,
}

impl Clock {
    fn now(&mut self) -> Instant {
        self.n_writes = (self.n_writes + 1) % WRITES_A_LOOK;
        match self.now {
            Some(now) if self.n_writes != 0 => now,
            _ => *self.now.insert(Instant::now()),
        }
    }
}

impl Tally {
    /// What is counted for a hub, and the time.
    pub(super) fn of(&mut self, hub: &Hub) -> (&mut Counts, impl FnOnce() -> Instant) {
        let metrics = hub.metrics();
        if self.metrics.as_ref().is_none_or(|current| !Arc::ptr_eq(current, metrics)) {
            self.hand_in();
            self.metrics = Some(Arc::clone(metrics));
        }
        let Self { counts, clock, .. } = self;
        (counts, move || clock.now())
    }

    /// The shard is about to wait: others are told what it counted, and its time is over.
    pub(super) fn rest(&mut self) {
        self.hand_in();
        self.clock.now = None;
    }

    fn hand_in(&mut self) {
        if let Some(metrics) = self.metrics.take() {
            metrics.add(&std::mem::take(&mut self.counts));
        }
    }
}
