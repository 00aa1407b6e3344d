//! One open stream, as far as it is counted: from its opening to its end, and why it ended.

use super::{Counts, Metrics};
use crate::subscription::Ended;
use heartwire_protocol::Topic;
use heartwire_protocol::control::ClosingReason;
use parking_lot::Mutex;
use serde::Serialize;
use slab::Slab;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::time::Instant;

/// So many slow readers are told of one by one: those that are slow for longest.
const N_SLOW: usize = 20;
/// So many topics of one of them.
const N_TOPICS: usize = 5;

/// The client went, or its connection broke.
const CLIENT_LEFT: &str = "client-left";
/// Its connection took nothing for too long.
const STUCK: &str = "stuck";

/// The streams of one topic.
#[derive(Debug)]
pub(crate) struct Audience {
    topic: Topic,
    n_streams: AtomicUsize,
}

impl Audience {
    pub(crate) fn new(topic: Topic) -> Arc<Self> {
        Arc::new(Self { topic, n_streams: AtomicUsize::new(0) })
    }

    pub(crate) fn n_streams(&self) -> usize {
        self.n_streams.load(Ordering::Relaxed)
    }
}

/// Counts its stream while it lives, and the end when it is dropped.
#[derive(Debug)]
pub(crate) struct OpenStream {
    metrics: Arc<Metrics>,
    reader: Arc<Reader>,
    /// Its place among all that are open.
    place: usize,
    is_blocked: bool,
    end: &'static str,
}

/// Who reads, for whoever looks.
#[derive(Debug)]
struct Reader {
    address: Option<IpAddr>,
    audiences: Box<[Arc<Audience>]>,
    /// Since when its connection takes no more. Written by its stream alone, when that changes.
    blocked_since: Mutex<Option<Instant>>,
}

/// A reader whose connection takes no more for now.
#[derive(Debug, Clone, Serialize)]
pub(super) struct SlowReader {
    address: Option<IpAddr>,
    /// Some of them, when there are many.
    topics: Vec<String>,
    blocked_for_s: f64,
}

impl OpenStream {
    /// `audiences`: those of its topics.
    pub(crate) fn new(metrics: Arc<Metrics>, audiences: Box<[Arc<Audience>]>, address: Option<IpAddr>) -> Self {
        for audience in &audiences {
            audience.n_streams.fetch_add(1, Ordering::Relaxed);
        }
        let reader = Arc::new(Reader { address, audiences, blocked_since: Mutex::new(None) });
        let place = metrics.streams.opened(&reader);
        Self { metrics, reader, place, is_blocked: false, end: CLIENT_LEFT }
    }

    /// The server ends it. What comes last counts.
    pub(crate) fn ends(&mut self, ended: Ended) {
        self.end = ended.closing_reason().as_str();
    }

    /// Its connection takes no more for now, or does again.
    pub(crate) fn blocked(&mut self, is_blocked: bool, counts: &mut Counts) {
        if is_blocked != self.is_blocked {
            counts.blocked(self.is_blocked, is_blocked);
            self.is_blocked = is_blocked;
            *self.reader.blocked_since.lock() = is_blocked.then(Instant::now);
        }
    }

    /// Its connection is cut, since it takes nothing.
    pub(crate) fn is_stuck(&mut self) {
        self.end = STUCK;
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        for audience in &self.reader.audiences {
            audience.n_streams.fetch_sub(1, Ordering::Relaxed);
        }
        if self.is_blocked {
            let mut counts = Counts::default();
            self.blocked(false, &mut counts);
            self.metrics.add(&counts);
        }
        self.metrics.streams.ended(self.place, self.end);
    }
}

/// How many streams were opened, which are open, and how the others ended.
#[derive(Debug)]
pub(super) struct Streams(Mutex<Fates>);

#[derive(Debug)]
struct Fates {
    n_opened: u64,
    open: Slab<Arc<Reader>>,
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
        Self(Mutex::new(Fates { n_opened: 0, open: Slab::new(), ends: ends.map(|end| (end, 0)).collect() }))
    }

    fn opened(&self, reader: &Arc<Reader>) -> usize {
        let mut fates = self.0.lock();
        fates.n_opened += 1;
        fates.open.insert(Arc::clone(reader))
    }

    fn ended(&self, place: usize, end: &'static str) {
        let mut fates = self.0.lock();
        fates.open.remove(place);
        *fates.ends.entry(end).or_default() += 1;
    }

    pub(super) fn n_opened(&self) -> u64 {
        self.0.lock().n_opened
    }

    pub(super) fn ends(&self) -> BTreeMap<&'static str, u64> {
        self.0.lock().ends.clone()
    }

    /// Those that are slow for longest, first.
    pub(super) fn slow(&self, now: Instant) -> Vec<SlowReader> {
        let since = |(_, reader): (usize, &Arc<Reader>)| Some(((*reader.blocked_since.lock())?, Arc::clone(reader)));
        let mut slow: Vec<(Instant, Arc<Reader>)> = self.0.lock().open.iter().filter_map(since).collect();
        slow.sort_by_key(|(since, _)| *since);
        slow.truncate(N_SLOW);
        let told = |(since, reader): (Instant, Arc<Reader>)| SlowReader {
            address: reader.address,
            topics: reader.audiences.iter().take(N_TOPICS).map(|audience| audience.topic.to_string()).collect(),
            blocked_for_s: (now.duration_since(since).as_secs_f64() * 10.0).round() / 10.0,
        };
        slow.into_iter().map(told).collect()
    }
}
