//! The settings of a hub.

use super::{ConfigError, PerTopic, SlowReaders, TopicRule, WatchConfig, ZERO, ZERO_OR_OFF, span_problem};
use heartwire_protocol::{Topic, frame};
use std::time::Duration;

/// The shortest heartbeat interval. Clients are told whole milliseconds, and take a stream for dead
/// after one and a half of them: what is shorter would end healthy streams.
const MIN_HEARTBEAT_INTERVAL: Duration = Duration::from_millis(10);

/// How a hub behaves. `None` switches a thing off.
///
/// ```
/// use heartwire::{Hub, HubConfig};
/// use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), heartwire::ConfigError> {
/// let hub = Hub::new(HubConfig { event_ttl: Some(Duration::from_secs(300)), ..HubConfig::default() })?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(documented::DocumentedFields))]
pub struct HubConfig {
    /// Whether streaming is switched on at the start. Off, stream requests get 503 and clients poll, until
    /// the switch is thrown. Default: true.
    pub enable_sse: bool,
    /// How many of a hundred clients get streams; the others are told that streaming is switched off, and
    /// poll. A client is known by the `client_id` of its URL, else by its identity, else by its address, and
    /// raising the number takes none out. A stream that is open stays. Default 100.
    pub rollout_percent: usize,
    /// Whether a browser's bare `EventSource` is refused by a stream that says why, and when to come back.
    /// An error status would be the end of it. Off, it gets the status like everybody else. Default: true.
    pub soft_refusals: bool,
    /// How often each stream gets a `heartbeat` event. Clients take a stream for dead after one and
    /// a half of it, and many proxies cut a link that is silent for 60 s. At least 10 ms. Costs about 100
    /// bytes each. Default 15 s.
    pub heartbeat_interval: Option<Duration>,
    /// The most streams at a time. The next one gets 503 with `Retry-After`. Default: off.
    pub max_connections: Option<usize>,
    /// The most streams at a time of one address; of IPv6, of one network of 64 bits. The next one gets 429
    /// with `Retry-After`. People behind one router share an address, and a browser opens a stream for each
    /// tab. Default: off.
    pub max_connections_per_ip: Option<usize>,
    /// The most streams at a time of one identity, by its subject. The next one gets 429 with `Retry-After`.
    /// Default: off.
    pub max_connections_per_identity: Option<usize>,
    /// The longest life of a stream. Each one ends at some moment in the last tenth of it, with
    /// `closing: rotated`, and its client resumes at once. Default: off.
    pub connection_timeout: Option<Duration>,
    /// How long before the end of a reader's token its stream says so, with an `expiring` event. Earlier than half
    /// of what is left of the token it never does, and not at all for less than a second. Default 30 s.
    pub token_warning: Option<Duration>,
    /// The most events that a reader may fall behind once it has caught up. Beyond that it is slow, see
    /// `slow_readers`. A reader costs no memory for being behind: this bounds how old its news may be.
    /// Default 10,000.
    pub max_queue_size: Option<usize>,
    /// How long a reader's connection may take no byte of what waits for it. Then the stream is cut; what the
    /// reader missed, it gets or is told when it returns. Default 30 s.
    pub max_subscriber_idle_time: Option<Duration>,
    /// What happens to a reader that is too far behind, or whose next event is no longer kept.
    /// `close` ends its stream, and its client resumes by itself; `skip` goes on from the head, behind a
    /// gap; `newest` brings the newest event of each key as well. One that reads several topics gets the most
    /// careful policy among theirs. Default: close.
    pub slow_readers: SlowReaders,
    /// What is set for some topics apart from the rest: `pattern`, then `slow_readers` or
    /// `stream_compression`. Of each setting, the first rule that matches a topic and says something wins.
    /// Default: none.
    pub topic_rules: Vec<TopicRule>,
    /// The most events to keep of one topic; at least 1. The oldest goes first. Default 10,000.
    pub max_history_per_topic: usize,
    /// The most memory for the events of one topic, in bytes, all encoded forms counted. An event
    /// that alone takes more cannot be published. Default 16 MiB.
    pub max_bytes_per_topic: usize,
    /// The most memory for all topics, in bytes. The oldest event of all goes first. Default 256 MiB.
    pub max_bytes_total: usize,
    /// From how many megabytes on, for the history and its readers together, the log says so. It says so
    /// once, and again only after they went a tenth below. A megabyte is 1,048,576 bytes; a reader counts
    /// as 2 KiB. Default: off.
    pub memory_warning_mb: Option<usize>,
    /// The most megabytes for the history and its readers together. The oldest event of all goes first;
    /// when the readers leave no room for the next one, publishing gets 503 with `Retry-After`. A megabyte
    /// is 1,048,576 bytes; a reader counts as 2 KiB. Default: off.
    pub memory_critical_mb: Option<usize>,
    /// How long an event is kept. Default 300 s.
    pub event_ttl: Option<Duration>,
    /// How long a topic is kept that has no readers and to which nothing is published. Then it is dropped,
    /// with the events that it still holds. Default 1,800 s.
    pub topic_ttl: Option<Duration>,
    /// How often to look for what has lived its time, so an event may live this much longer than
    /// its `event_ttl`. Default 60 s.
    pub cleanup_interval: Duration,
    /// The smallest payload that goes out as a compressed frame, in bytes. Only readers that ask for frames
    /// get them, and only where a frame saves bytes. Default 1,024.
    pub compress_min_bytes: Option<usize>,
    /// Whether streams go out as gzip to readers that accept it, compressed once for all of them.
    /// Where a topic mixes secrets with what others can choose, switch it off by a rule: sizes tell of
    /// secrets then (RFC 7457, section 2.6). A stream of several topics is compressed when all of them allow
    /// it. Default: true.
    pub stream_compression: bool,
    /// The largest body that can be published, in bytes. A larger one gets 413. Default 1 MiB.
    pub max_body_bytes: usize,
    /// How long a body may take to come. Then it gets 408; whoever sends large bodies over slow links needs
    /// more. Default 30 s.
    pub body_timeout: Option<Duration>,
    /// The most topics that are kept at a time, with events or with readers. Publishing to one more, or
    /// reading it, gets 503 with `Retry-After`. One without readers is forgotten with its last event. A topic
    /// takes about 1 KiB beside its events. Default 100,000.
    pub max_topics: Option<usize>,
    /// The most topics that one stream or poll may name. More get 400. Default 100.
    pub max_topics_per_request: usize,
    /// When the hub drains, streams end over this span and clients come back over it. So the next server
    /// is not met by all of them in one moment. A few streams are let go faster. Default 5 s.
    pub drain_window: Duration,
    /// What it tells about itself.
    pub watch: WatchConfig,
}

impl Default for HubConfig {
    /// Streaming is on. A stream lives as long as its client and gets a heartbeat every 15 s. A
    /// topic keeps its last 10,000 events or 16 MiB, for five minutes; all topics together take at
    /// most 256 MiB, and one that nobody used for half an hour is dropped.
    fn default() -> Self {
        Self {
            enable_sse: true,
            rollout_percent: 100,
            soft_refusals: true,
            heartbeat_interval: Some(Duration::from_secs(15)),
            max_connections: None,
            max_connections_per_ip: None,
            max_connections_per_identity: None,
            connection_timeout: None,
            token_warning: Some(Duration::from_secs(30)),
            max_queue_size: Some(10_000),
            max_subscriber_idle_time: Some(Duration::from_secs(30)),
            slow_readers: SlowReaders::Close,
            topic_rules: Vec::new(),
            max_history_per_topic: 10_000,
            max_bytes_per_topic: 16 * 1024 * 1024,
            max_bytes_total: 256 * 1024 * 1024,
            memory_warning_mb: None,
            memory_critical_mb: None,
            event_ttl: Some(Duration::from_secs(300)),
            topic_ttl: Some(Duration::from_secs(1_800)),
            cleanup_interval: Duration::from_secs(60),
            compress_min_bytes: Some(frame::DEFAULT_MIN_BYTES),
            stream_compression: true,
            max_body_bytes: 1024 * 1024,
            body_timeout: Some(Duration::from_secs(30)),
            max_topics: Some(100_000),
            max_topics_per_request: 100,
            drain_window: Duration::from_secs(5),
            watch: WatchConfig::default(),
        }
    }
}

impl HubConfig {
    /// `memory_warning_mb`, in bytes.
    pub(crate) fn memory_warning_bytes(&self) -> Option<usize> {
        self.memory_warning_mb.map(bytes)
    }

    /// `memory_critical_mb`, in bytes.
    pub(crate) fn memory_critical_bytes(&self) -> Option<usize> {
        self.memory_critical_mb.map(bytes)
    }

    /// What happens to a slow reader, for each topic.
    pub(crate) fn slow_readers_per_topic(&self) -> PerTopic<SlowReaders> {
        PerTopic::new(&self.topic_rules, |rule| rule.slow_readers, self.slow_readers)
    }

    /// Whether a stream of these topics goes out as gzip to a reader that accepts it: when all of them
    /// allow it.
    #[must_use]
    pub fn compresses_streams_of<'a>(&self, topics: impl IntoIterator<Item = &'a Topic>) -> bool {
        let says = |rule: &TopicRule| rule.stream_compression;
        let per_topic = PerTopic::new(&self.topic_rules, says, self.stream_compression);
        topics.into_iter().all(|topic| per_topic.of(topic))
    }

    /// Refuses values that cannot be meant.
    ///
    /// # Errors
    /// Names the first setting that is impossible, and why.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.watch.check()?;
        let below_one = |number: usize| (number == 0).then_some(ZERO);
        // A window of nothing ends all streams in one moment, which may be meant.
        let drain_window = Some(self.drain_window).filter(|window| !window.is_zero());
        let beats_too_fast = self.heartbeat_interval.is_some_and(|interval| interval < MIN_HEARTBEAT_INTERVAL);
        let off_or_more = |number: Option<usize>| (number == Some(0)).then_some(ZERO_OR_OFF);
        let warns_too_late = matches!((self.memory_warning_mb, self.memory_critical_mb), (Some(warning), Some(critical)) if warning > critical);
        let refuses_what_a_topic_may_hold =
            self.memory_critical_bytes().is_some_and(|critical| critical < self.max_bytes_per_topic);
        let cannot_hold_a_topic = self.max_bytes_total < self.max_bytes_per_topic;
        let verdicts = [
            ("rollout_percent", (self.rollout_percent > 100).then_some("must be from 0 to 100")),
            ("heartbeat_interval", span_problem(self.heartbeat_interval)),
            ("heartbeat_interval", beats_too_fast.then_some("must be at least 0.01 s; `off` switches it off")),
            (
                "max_connections",
                (self.max_connections == Some(0))
                    .then_some("must be more than zero; enable_sse switches streaming off"),
            ),
            ("max_connections_per_ip", off_or_more(self.max_connections_per_ip)),
            ("max_connections_per_identity", off_or_more(self.max_connections_per_identity)),
            ("connection_timeout", span_problem(self.connection_timeout)),
            ("token_warning", span_problem(self.token_warning)),
            ("max_queue_size", off_or_more(self.max_queue_size)),
            ("max_subscriber_idle_time", span_problem(self.max_subscriber_idle_time)),
            ("max_history_per_topic", below_one(self.max_history_per_topic)),
            ("max_bytes_per_topic", below_one(self.max_bytes_per_topic)),
            ("max_bytes_total", cannot_hold_a_topic.then_some("must not be less than max_bytes_per_topic")),
            ("memory_warning_mb", off_or_more(self.memory_warning_mb)),
            ("memory_critical_mb", off_or_more(self.memory_critical_mb)),
            ("memory_warning_mb", warns_too_late.then_some("must not be more than memory_critical_mb")),
            (
                "memory_critical_mb",
                refuses_what_a_topic_may_hold.then_some("must not be less than max_bytes_per_topic"),
            ),
            ("event_ttl", span_problem(self.event_ttl)),
            ("topic_ttl", span_problem(self.topic_ttl)),
            ("cleanup_interval", self.cleanup_interval.is_zero().then_some(ZERO)),
            ("cleanup_interval", span_problem(Some(self.cleanup_interval))),
            ("max_body_bytes", below_one(self.max_body_bytes)),
            ("body_timeout", span_problem(self.body_timeout)),
            ("max_topics", off_or_more(self.max_topics)),
            ("max_topics_per_request", below_one(self.max_topics_per_request)),
            ("drain_window", span_problem(drain_window)),
        ];
        match verdicts.into_iter().find_map(|(setting, problem)| Some(ConfigError { setting, problem: problem? })) {
            Some(err) => Err(err),
            None => Ok(()),
        }
    }
}

fn bytes(megabytes: usize) -> usize {
    megabytes.saturating_mul(1024 * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TopicPattern;

    #[test]
    fn a_stream_of_several_topics_is_compressed_when_all_of_them_allow_it() {
        let rule = |pattern: &str, on| TopicRule {
            stream_compression: Some(on),
            ..TopicRule::new(TopicPattern::parse(pattern).unwrap())
        };
        let topic_rules = vec![rule("accounts/*", false), rule("*", true)];
        let config = HubConfig { topic_rules, stream_compression: false, ..HubConfig::default() };
        let check = |topics: &[&str], expected: bool| {
            let topics: Vec<Topic> = topics.iter().map(|text| Topic::parse(text).unwrap()).collect();
            assert_eq!(config.compresses_streams_of(&topics), expected, "{topics:?}");
        };
        check(&["prices"], true);
        check(&["accounts/7"], false);
        check(&["prices", "accounts/7"], false);
    }

    #[test]
    fn impossible_values_are_refused_by_name() {
        let check = |change: fn(&mut HubConfig), expected: Option<&str>| {
            let mut config = HubConfig::default();
            change(&mut config);
            assert_eq!(config.check().err().map(|err| err.setting), expected);
        };
        check(|_| {}, None);
        check(|c| c.heartbeat_interval = None, None);
        check(|c| c.heartbeat_interval = Some(Duration::ZERO), Some("heartbeat_interval"));
        check(|c| c.heartbeat_interval = Some(Duration::from_micros(9_999)), Some("heartbeat_interval"));
        check(|c| c.heartbeat_interval = Some(Duration::from_millis(10)), None);
        check(|c| c.max_history_per_topic = 0, Some("max_history_per_topic"));
        check(|c| c.max_bytes_total = 1, Some("max_bytes_total"));
        check(|c| c.drain_window = Duration::ZERO, None);
        check(|c| c.max_subscriber_idle_time = Some(Duration::ZERO), Some("max_subscriber_idle_time"));
        check(|c| c.max_subscriber_idle_time = None, None);
        check(|c| c.memory_warning_mb = Some(0), Some("memory_warning_mb"));
        check(|c| (c.memory_warning_mb, c.memory_critical_mb) = (Some(90), Some(80)), Some("memory_warning_mb"));
        check(|c| (c.memory_warning_mb, c.memory_critical_mb) = (Some(80), Some(80)), None);
        check(|c| c.memory_critical_mb = Some(15), Some("memory_critical_mb"));
        check(|c| c.memory_critical_mb = Some(16), None);
        check(|c| c.memory_critical_mb = Some(usize::MAX), None);
        check(|c| c.connection_timeout = Some(Duration::MAX), Some("connection_timeout"));
        check(|c| c.drain_window = Duration::MAX, Some("drain_window"));
    }
}
