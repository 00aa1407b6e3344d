//! All figures of a hub at one moment: what `/events/stats` answers and the dashboard draws.

use super::counts::{Count, Counts};
use super::latency::Latency;
use super::open_stream::SlowReader;
use super::process;
use super::refusals::RecentRefusal;
use crate::environment;
use crate::hub::Hub;
use crate::topics::TopicFigures;
use serde::Serialize;
use std::collections::BTreeMap;
use tokio::time::Instant;

/// So many topics are told of one by one: those with the most events and readers.
const N_TOPICS: usize = 20;

/// Totals count from the start of the hub. Nothing in here was written by a client but the names of topics.
#[derive(Debug, Serialize)]
pub(crate) struct Snapshot {
    time_ms: u64,
    enabled: bool,
    draining: bool,
    /// Seconds; `None` when it is off.
    heartbeat_interval: Option<f64>,
    connections: Connections,
    events: Events,
    latency: LatencyFigures,
    compression: Compression,
    memory: MemoryFigures,
    /// Streams that ended, by reason.
    ends: BTreeMap<&'static str, u64>,
    /// Gaps that clients were told of, by reason.
    gaps: BTreeMap<&'static str, u64>,
    /// What was refused, by what was asked for and by code.
    refusals: BTreeMap<&'static str, BTreeMap<&'static str, u64>>,
    recent_refusals: Vec<RecentRefusal>,
    slow_readers: Vec<SlowReader>,
    topics: TopicsFigures,
}

#[derive(Debug, Serialize)]
struct Connections {
    active: u64,
    max: Option<u64>,
    pool_use_percent: Option<f64>,
    /// Those whose connection takes no more for now.
    blocked: u64,
    opened_total: u64,
    refused_total: u64,
}

#[derive(Debug, Serialize)]
struct Events {
    published_total: u64,
    delivered_total: u64,
    heartbeats_total: u64,
}

/// From the log to the reader's connection. `None` where nothing came.
#[derive(Debug, Serialize)]
struct LatencyFigures {
    n: u64,
    average_ms: Option<f64>,
    p50_ms: Option<f64>,
    p95_ms: Option<f64>,
    p99_ms: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Compression {
    plain_bytes_total: u64,
    sent_bytes_total: u64,
    saved_percent: Option<f64>,
}

#[derive(Debug, Serialize)]
struct MemoryFigures {
    used_bytes: u64,
    history_bytes: u64,
    warning_bytes: Option<u64>,
    critical_bytes: Option<u64>,
    resident_bytes: Option<u64>,
}

#[derive(Debug, Serialize)]
struct TopicsFigures {
    count: usize,
    top: Vec<TopicFigures>,
}

impl Snapshot {
    /// `before`: an earlier latency, from which on it is told; `None`: from the beginning on.
    pub(crate) fn take(hub: &Hub, before: Option<&Latency>) -> Self {
        let metrics = hub.metrics();
        let counts = metrics.tallies.sum();
        let latency = before.map_or_else(|| counts.latency().clone(), |before| counts.latency().since(before));
        let mut refusals: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for ((asked, code), n) in metrics.refusals.counts() {
            refusals.entry(asked.as_str()).or_default().insert(code, n);
        }
        let (active, max) = (hub.active_connections() as u64, hub.config().max_connections.map(|max| max as u64));
        let now = Instant::now();
        let (count, top) = hub.topics().read().busiest(N_TOPICS, now);
        Self {
            time_ms: environment::wall_clock_ms(),
            enabled: hub.is_enabled(),
            draining: hub.draining().is_some(),
            heartbeat_interval: hub.config().heartbeat_interval.map(|interval| interval.as_secs_f64()),
            connections: Connections {
                active,
                max,
                pool_use_percent: max.map(|max| percent(active, max)),
                blocked: counts.n_blocked(),
                opened_total: metrics.streams.n_opened(),
                refused_total: metrics.refusals.total(),
            },
            events: Events {
                published_total: metrics.events.total(),
                delivered_total: counts.get(Count::Deliveries),
                heartbeats_total: counts.get(Count::Heartbeats),
            },
            latency: LatencyFigures::of(&latency),
            compression: Compression::of(&counts),
            memory: MemoryFigures {
                used_bytes: hub.used_bytes() as u64,
                history_bytes: hub.history_bytes() as u64,
                warning_bytes: hub.config().memory_warning_bytes().map(|bytes| bytes as u64),
                critical_bytes: hub.config().memory_critical_bytes().map(|bytes| bytes as u64),
                resident_bytes: process::resident_bytes(),
            },
            ends: metrics.streams.ends(),
            gaps: metrics.gaps.lock().clone(),
            refusals,
            recent_refusals: metrics.refusals.recent(),
            slow_readers: metrics.streams.slow(now),
            topics: TopicsFigures { count, top },
        }
    }
}

impl LatencyFigures {
    fn of(latency: &Latency) -> Self {
        let n = latency.n_observed();
        let ms = |seconds: f64| (seconds * 1e6).round() / 1e3;
        Self {
            n,
            average_ms: (n > 0).then(|| ms(latency.sum_s() / n as f64)),
            p50_ms: latency.quantile_s(0.5).map(ms),
            p95_ms: latency.quantile_s(0.95).map(ms),
            p99_ms: latency.quantile_s(0.99).map(ms),
        }
    }
}

impl Compression {
    fn of(counts: &Counts) -> Self {
        let sum = |counted: [Count; 3]| counted.into_iter().map(|count| counts.get(count)).sum::<u64>();
        let plain = sum([Count::PlainBytesAsPlain, Count::PlainBytesAsFrames, Count::PlainBytesAsGzip]);
        let sent = sum([Count::SentBytesAsPlain, Count::SentBytesAsFrames, Count::SentBytesAsGzip]);
        // A few small events may come out larger.
        let saved_percent = (plain > 0).then(|| percent(plain.saturating_sub(sent), plain));
        Self { plain_bytes_total: plain, sent_bytes_total: sent, saved_percent }
    }
}

/// To a tenth.
pub(super) fn percent(part: u64, whole: u64) -> f64 {
    (part as f64 / whole.max(1) as f64 * 1_000.0).round() / 10.0
}
