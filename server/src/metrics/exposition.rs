//! The figures of a hub as Prometheus reads them. Every name stands here once, with its meaning;
//! docs/operations.md has the same list, and a test compares the two.

use super::counts::Count;
use super::latency::Latency;
use super::{process, snapshot};
use crate::hub::Hub;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, EncodeLabelSet, NoLabelSet, text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use std::fmt;

/// OpenMetrics, which Prometheus has read since its second version.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All figures at this moment.
pub(crate) fn text(hub: &Hub) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Figures(hub.clone())));
    let mut text = String::new();
    text::encode(&mut text, &registry).expect("a string takes whatever is written");
    text
}

#[derive(Debug)]
struct Figures(Hub);

impl Collector for Figures {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let hub = &self.0;
        let (metrics, config) = (hub.metrics(), hub.config());
        let counts = metrics.tallies.sum();
        let mut page = Page(encoder);

        let active = hub.active_connections() as u64;
        page.gauge("sse_connections_active", "Streams that are open", active)?;
        if let Some(max) = config.max_connections {
            page.gauge("sse_connections_max", "Streams that may be open, max_connections", max as u64)?;
            let use_percent = snapshot::percent(active, max as u64);
            page.gauge("sse_pool_use_percent", "Open streams, in per cent of those that may be", use_percent)?;
        }
        let help = "Open streams whose connection takes no more for now";
        page.gauge("sse_connections_blocked", help, counts.n_blocked())?;
        page.counter("sse_streams_opened", "Streams that were opened", metrics.streams.n_opened())?;
        let ends = metrics.streams.ends();
        let help = "Streams that ended, by reason";
        page.counters("sse_stream_ends", help, ends.iter().map(|(reason, n)| ([("reason", *reason)], *n)))?;
        let refusals = metrics.refusals.counts();
        let rows = refusals.iter().map(|((asked, code), n)| ([("asked", asked.as_str()), ("reason", *code)], *n));
        page.counters("sse_refusals", "Requests that were refused, by what they asked for and why", rows)?;

        let events = metrics.events.rows();
        let label = |event_type, topic: Option<String>| {
            let labels = [Some(("event_type", event_type)), topic.map(|topic| ("topic", topic))];
            labels.into_iter().flatten().collect::<Vec<_>>()
        };
        let rows = events.into_iter().map(|row| (label(row.event_type, row.topic), row.n));
        page.counters("sse_events", "Events that were published, by type", rows)?;
        page.counter("sse_deliveries", "Events that were given to readers", counts.get(Count::Deliveries))?;
        page.counter("sse_heartbeats", "Heartbeats that were given to readers", counts.get(Count::Heartbeats))?;
        let gaps = metrics.gaps.lock().clone();
        let help = "Gaps that clients were told of, by reason";
        page.counters("sse_gaps", help, gaps.iter().map(|(reason, n)| ([("reason", *reason)], *n)))?;
        let help = "From the log to the connection of a reader that had caught up";
        page.latency("sse_event_latency_seconds", help, counts.latency())?;

        let forms = |plain, frames, gzip| {
            let rows = [("plain", plain), ("frames", frames), ("gzip", gzip)];
            rows.map(|(form, count)| ([("form", form)], counts.get(count)))
        };
        let plain = forms(Count::PlainBytesAsPlain, Count::PlainBytesAsFrames, Count::PlainBytesAsGzip);
        page.counters("sse_plain_bytes", "What was sent, as it was before compression", plain)?;
        let sent = forms(Count::SentBytesAsPlain, Count::SentBytesAsFrames, Count::SentBytesAsGzip);
        page.counters("sse_sent_bytes", "What was sent, as it was sent", sent)?;

        let help = "The history and its readers, as memory_warning_mb and memory_critical_mb count them";
        page.gauge("sse_memory_usage_bytes", help, hub.used_bytes() as u64)?;
        page.gauge("sse_history_bytes", "The history alone", hub.history_bytes() as u64)?;
        if let Some(critical) = config.memory_critical_bytes() {
            page.gauge("sse_memory_critical_bytes", "What they may take, memory_critical_mb", critical as u64)?;
        }
        page.gauge("sse_topics", "Topics with events or readers", hub.topics().read().len() as u64)?;
        page.gauge("sse_streaming_enabled", "1 while streaming is switched on", u64::from(hub.is_enabled()))?;
        page.gauge("sse_ready", "1 while /health/ready says so", u64::from(hub.is_ready()))?;
        if let Some(resident) = process::resident_bytes() {
            page.gauge("process_resident_memory_bytes", "The memory of the process", resident)?;
        }
        Ok(())
    }
}

struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    fn gauge(&mut self, name: &str, help: &str, value: impl EncodeGaugeValue) -> fmt::Result {
        self.0.encode_descriptor(name, &sentence(help), None, MetricType::Gauge)?.encode_gauge(&value)
    }

    /// `name`: without the `_total` that all counters end in.
    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let mut encoder = self.0.encode_descriptor(name, &sentence(help), None, MetricType::Counter)?;
        encoder.encode_counter::<NoLabelSet, _, u64>(&value, None)
    }

    fn counters<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = (L, impl EncodeCounterValue)>,
    ) -> fmt::Result {
        let mut encoder = self.0.encode_descriptor(name, &sentence(help), None, MetricType::Counter)?;
        for (labels, value) in rows {
            encoder.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&value, None)?;
        }
        Ok(())
    }

    fn latency(&mut self, name: &str, help: &str, latency: &Latency) -> fmt::Result {
        let mut encoder = self.0.encode_descriptor(name, &sentence(help), None, MetricType::Histogram)?;
        encoder.encode_histogram::<NoLabelSet>(latency.sum_s(), latency.n_observed(), &latency.exposed(), None)
    }
}

fn sentence(help: &str) -> String {
    format!("{help}.")
}
