//! The settings of a hub.

use super::topic_rule::decide;
use super::{ConfigError, SlowReaders, TopicRule, ZERO, ZERO_OR_OFF, span_problem};
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
pub struct HubConfig {
    /// Whether streaming is switched on at the start; see [`Hub::set_enabled`](crate::Hub::set_enabled).
    /// Off, stream requests get 503 and clients poll. Default: on.
    pub enable_sse: bool,
    /// How often each stream gets a `heartbeat` event. Clients take a stream for dead after one and
    /// a half of it. At least 10 ms. Costs about 100 bytes each. Default 15 s, below the 60 s after
    /// which many proxies cut a silent link.
    pub heartbeat_interval: Option<Duration>,
    /// The most streams at a time. The next one gets 503 with `Retry-After`. Default: no limit.
    pub max_connections: Option<usize>,
    /// The longest life of a stream. Each one ends at some moment in the last tenth of it, with
    /// `closing: rotated`, and its client resumes at once. Default: no limit.
    pub connection_timeout: Option<Duration>,
    /// The most events that a reader may fall behind once it has caught up; beyond that it is slow, see
    /// `slow_readers`. A reader costs no memory for being behind: this bounds how old its news may be.
    /// Default 10,000.
    pub max_queue_size: Option<usize>,
    /// What happens to a reader that is too far behind, or whose next event is no longer kept. One that
    /// reads several topics gets the most careful policy among theirs. Default: its stream is closed, and
    /// its client resumes by itself.
    pub slow_readers: SlowReaders,
    /// What is set for some topics apart from the rest. Of each setting, the first rule that matches a
    /// topic and says something wins. Default: none.
    pub topic_rules: Vec<TopicRule>,
    /// The most events to keep of one topic; at least 1. The oldest goes first. Default 10,000.
    pub max_history_per_topic: usize,
    /// The most memory for the events of one topic, in bytes, all encoded forms counted. An event
    /// that alone takes more cannot be published. Default 16 MiB.
    pub max_bytes_per_topic: usize,
    /// The most memory for all topics, in bytes. The oldest event of all goes first. Default 256 MiB.
    pub max_bytes_total: usize,
    /// How long an event is kept. Default 300 s.
    pub event_ttl: Option<Duration>,
    /// A topic without readers to which nothing is published for this long is dropped, with the
    /// events that it still holds. Default 1,800 s.
    pub topic_ttl: Option<Duration>,
    /// How often to look for what has lived its time, so an event may live this much longer than
    /// its `event_ttl`. Default 60 s.
    pub cleanup_interval: Duration,
    /// Payloads of at least so many bytes go out as compressed frames to readers that ask for
    /// them, where that saves bytes. Default 1,024.
    pub compress_min_bytes: Option<usize>,
    /// Whether streams go out as gzip to readers that accept it, compressed once for all of them. Where
    /// a topic mixes secrets with what others can choose, switch it off by a rule: sizes tell of secrets
    /// then (RFC 7457, section 2.6). A stream of several topics is compressed when all of them allow it.
    /// Default: on.
    pub stream_compression: bool,
    /// The largest body that can be published, in bytes. A larger one gets 413. Default 1 MiB.
    pub max_body_bytes: usize,
    /// The most topics that one stream or poll may name. More get 400. Default 100.
    pub max_topics_per_request: usize,
    /// When the hub drains, streams end over this span and clients come back over this span, so
    /// that the next server is not met by all of them in one moment. A few streams are let go
    /// faster. Default 5 s.
    pub drain_window: Duration,
}

impl Default for HubConfig {
    /// Streaming is on. A stream lives as long as its client and gets a heartbeat every 15 s. A
    /// topic keeps its last 10,000 events or 16 MiB, for five minutes; all topics together take at
    /// most 256 MiB, and one that nobody used for half an hour is dropped.
    fn default() -> Self {
        Self {
            enable_sse: true,
            heartbeat_interval: Some(Duration::from_secs(15)),
            max_connections: None,
            connection_timeout: None,
            max_queue_size: Some(10_000),
            slow_readers: SlowReaders::Close,
            topic_rules: Vec::new(),
            max_history_per_topic: 10_000,
            max_bytes_per_topic: 16 * 1024 * 1024,
            max_bytes_total: 256 * 1024 * 1024,
            event_ttl: Some(Duration::from_secs(300)),
            topic_ttl: Some(Duration::from_secs(1_800)),
            cleanup_interval: Duration::from_secs(60),
            compress_min_bytes: Some(frame::DEFAULT_MIN_BYTES),
            stream_compression: true,
            max_body_bytes: 1024 * 1024,
            max_topics_per_request: 100,
            drain_window: Duration::from_secs(5),
        }
    }
}

impl HubConfig {
    /// What happens to a slow reader of these topics: the most careful policy among theirs, and the hub's
    /// own for a reader of none.
    #[must_use]
    pub fn slow_readers_of<'a>(&self, topics: impl IntoIterator<Item = &'a Topic>) -> SlowReaders {
        let of_one = |topic| decide(&self.topic_rules, topic, |rule| rule.slow_readers, self.slow_readers);
        topics.into_iter().map(of_one).min().unwrap_or(self.slow_readers)
    }

    /// Whether a stream of these topics goes out as gzip to a reader that accepts it: when all of them
    /// allow it.
    #[must_use]
    pub fn compresses_streams_of<'a>(&self, topics: impl IntoIterator<Item = &'a Topic>) -> bool {
        let says = |rule: &TopicRule| rule.stream_compression;
        topics.into_iter().all(|topic| decide(&self.topic_rules, topic, says, self.stream_compression))
    }

    /// Refuses values that cannot be meant.
    ///
    /// # Errors
    /// Names the first setting that is impossible, and why.
    pub fn check(&self) -> Result<(), ConfigError> {
        let below_one = |number: usize| (number == 0).then_some(ZERO);
        // A window of nothing ends all streams in one moment, which may be meant.
        let drain_window = Some(self.drain_window).filter(|window| !window.is_zero());
        let beats_too_fast = self.heartbeat_interval.is_some_and(|interval| interval < MIN_HEARTBEAT_INTERVAL);
        let cannot_hold_a_topic = self.max_bytes_total < self.max_bytes_per_topic;
        let verdicts = [
            ("heartbeat_interval", span_problem(self.heartbeat_interval)),
            ("heartbeat_interval", beats_too_fast.then_some("must be at least 0.01 s; `off` switches it off")),
            (
                "max_connections",
                (self.max_connections == Some(0))
                    .then_some("must be more than zero; enable_sse switches streaming off"),
            ),
            ("connection_timeout", span_problem(self.connection_timeout)),
            ("max_queue_size", (self.max_queue_size == Some(0)).then_some(ZERO_OR_OFF)),
            ("max_history_per_topic", below_one(self.max_history_per_topic)),
            ("max_bytes_per_topic", below_one(self.max_bytes_per_topic)),
            ("max_bytes_total", cannot_hold_a_topic.then_some("must not be less than max_bytes_per_topic")),
            ("event_ttl", span_problem(self.event_ttl)),
            ("topic_ttl", span_problem(self.topic_ttl)),
            ("cleanup_interval", self.cleanup_interval.is_zero().then_some(ZERO)),
            ("cleanup_interval", span_problem(Some(self.cleanup_interval))),
            ("max_body_bytes", below_one(self.max_body_bytes)),
            ("max_topics_per_request", below_one(self.max_topics_per_request)),
            ("drain_window", span_problem(drain_window)),
        ];
        match verdicts.into_iter().find_map(|(setting, problem)| Some(ConfigError { setting, problem: problem? })) {
            Some(err) => Err(err),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TopicPattern;

    #[test]
    fn a_reader_of_several_topics_gets_the_most_careful_policy() {
        let rule = |pattern: &str, policy| TopicRule {
            slow_readers: Some(policy),
            ..TopicRule::new(TopicPattern::parse(pattern).unwrap())
        };
        let topic_rules = vec![rule("prices/*", SlowReaders::Newest), rule("chat", SlowReaders::Skip)];
        let config = HubConfig { topic_rules, ..HubConfig::default() };
        let check = |topics: &[&str], expected: SlowReaders| {
            let topics: Vec<Topic> = topics.iter().map(|text| Topic::parse(text).unwrap()).collect();
            assert_eq!(config.slow_readers_of(&topics), expected, "{topics:?}");
        };
        check(&["prices/gold"], SlowReaders::Newest);
        check(&["prices/gold", "chat"], SlowReaders::Skip);
        check(&["chat", "orders", "prices/gold"], SlowReaders::Close);
    }

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
        check(|c| c.connection_timeout = Some(Duration::MAX), Some("connection_timeout"));
        check(|c| c.drain_window = Duration::MAX, Some("drain_window"));
    }
}
