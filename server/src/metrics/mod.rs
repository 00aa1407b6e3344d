//! What a hub counts about itself, for whoever watches it.
//!
//! Every number has its name and its meaning in `exposition`, and docs/operations.md lists them. Counting
//! never waits for anything longer than a few instructions, and with `metrics` off nothing is kept.
//! - What each delivery moves is counted by the writers of streams, in both lanes, in [`Counts`] of their own.
//! - A stream is counted by its [`OpenStream`], which it holds for as long as it lives.
//! - Refusals are counted where they pass on their way out, by [`refusals::count`].
//! - What is known anyway, such as the number of open streams, is asked for when somebody looks.

mod counts;
mod exposition;
#[cfg(feature = "cli")]
pub(crate) mod feed;
mod labelled;
mod latency;
mod open_stream;
pub(crate) mod process;
pub(crate) mod refusals;
mod snapshot;
mod told;

pub(crate) use counts::{Count, Counts};
pub(crate) use exposition::{CONTENT_TYPE, text};
pub(crate) use open_stream::{Audience, OpenStream};
pub(crate) use refusals::Refusal;
pub(crate) use snapshot::Snapshot;
pub(crate) use told::{Form, Told};

use crate::config::WatchConfig;
use counts::Tallies;
use heartwire_protocol::control::GapReason;
use labelled::EventCounts;
use open_stream::Streams;
use parking_lot::Mutex;
use refusals::Refusals;
use std::collections::BTreeMap;

/// The numbers of one hub.
#[derive(Debug)]
pub(crate) struct Metrics {
    is_on: bool,
    tallies: Tallies,
    events: EventCounts,
    streams: Streams,
    gaps: Mutex<BTreeMap<&'static str, u64>>,
    refusals: Refusals,
}

impl Metrics {
    pub(crate) fn new(config: &WatchConfig) -> Self {
        let gaps = [GapReason::Evicted, GapReason::OtherEpoch, GapReason::Lagged, GapReason::BadCursor];
        Self {
            is_on: config.metrics,
            tallies: Tallies::new(),
            events: EventCounts::new(config.metrics_max_labels, config.metrics_topic_label),
            streams: Streams::new(),
            // All that there can be, so that a rate can be told from the first one on.
            gaps: Mutex::new(gaps.map(|reason| (reason.as_str(), 0)).into()),
            refusals: Refusals::default(),
        }
    }

    pub(crate) fn is_on(&self) -> bool {
        self.is_on
    }

    /// What a writer of streams counted since it last said so.
    pub(crate) fn add(&self, counts: &Counts) {
        if self.is_on {
            self.tallies.add(counts);
        }
    }

    /// How long events were under way, since the beginning.
    #[cfg(feature = "cli")]
    pub(crate) fn latency(&self) -> latency::Latency {
        self.tallies.sum().latency().clone()
    }

    /// Events came in through the log: their types and topics.
    pub(crate) fn published<'a>(&self, events: impl IntoIterator<Item = (&'a str, &'a str)>) {
        if self.is_on {
            self.events.add(events);
        }
    }

    /// A client was told of a gap.
    pub(crate) fn told_gap(&self, reason: GapReason) {
        if self.is_on {
            *self.gaps.lock().entry(reason.as_str()).or_default() += 1;
        }
    }
}
