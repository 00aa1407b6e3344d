//! One open stream, as far as it is counted: from its opening to its end, and why it ended.

use super::{Counts, Metrics};
use crate::subscription::Ended;
use heartwire_protocol::control::ClosingReason;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many streams a topic has.
pub(crate) type Audience = Arc<AtomicUsize>;

/// The client went, or its connection broke.
const CLIENT_LEFT: &str = "client-left";
/// Its connection took nothing for too long.
const STUCK: &str = "stuck";

/// Counts its stream while it lives, and the end when it is dropped.
#[derive(Debug)]
pub(crate) struct OpenStream {
    metrics: Arc<Metrics>,
    audiences: Box<[Audience]>,
    is_blocked: bool,
    end: &'static str,
}

impl OpenStream {
    /// `audiences`: those of its topics.
    pub(crate) fn new(metrics: Arc<Metrics>, audiences: Box<[Audience]>) -> Self {
        metrics.streams.opened();
        for audience in &audiences {
            audience.fetch_add(1, Ordering::Relaxed);
        }
        Self { metrics, audiences, is_blocked: false, end: CLIENT_LEFT }
    }

    /// The server ends it. What comes last counts.
    pub(crate) fn ends(&mut self, ended: Ended) {
        self.end = ended.closing_reason().as_str();
    }

    /// Its connection takes no more for now, or does again.
    pub(crate) fn blocked(&mut self, is_blocked: bool, counts: &mut Counts) {
        counts.blocked(std::mem::replace(&mut self.is_blocked, is_blocked), is_blocked);
    }

    /// Its connection is cut, since it takes nothing.
    pub(crate) fn is_stuck(&mut self) {
        self.end = STUCK;
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        for audience in &self.audiences {
            audience.fetch_sub(1, Ordering::Relaxed);
        }
        if self.is_blocked {
            let mut counts = Counts::default();
            self.blocked(false, &mut counts);
            self.metrics.add(&counts);
        }
        self.metrics.streams.ended(self.end);
    }
}

/// How many streams were opened, and how they ended.
#[derive(Debug)]
pub(super) struct Streams(Mutex<Fates>);

#[derive(Debug)]
struct Fates {
    n_opened: u64,
    ends: BTreeMap<&'static str, u64>,
}

impl Streams {
    pub(super) fn new() -> Self {
        // All ends that there can be, so that a rate can be told from the first one on.
        let reasons = [
            ClosingReason::Draining,
            ClosingReason::Rotated,
            ClosingReason::Lagged,
            ClosingReason::TokenExpired,
            ClosingReason::Disabled,
        ];
        let ends = reasons.map(ClosingReason::as_str).into_iter().chain([CLIENT_LEFT, STUCK]);
        Self(Mutex::new(Fates { n_opened: 0, ends: ends.map(|end| (end, 0)).collect() }))
    }

    fn opened(&self) {
        self.0.lock().n_opened += 1;
    }

    fn ended(&self, end: &'static str) {
        *self.0.lock().ends.entry(end).or_default() += 1;
    }

    pub(super) fn n_opened(&self) -> u64 {
        self.0.lock().n_opened
    }

    pub(super) fn ends(&self) -> BTreeMap<&'static str, u64> {
        self.0.lock().ends.clone()
    }
}
