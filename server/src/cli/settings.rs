//! The settings as flags and as environment variables: text becomes typed values here.

use super::Failure;
use crate::config::{HubConfig, ServeConfig};
use clap::{Args, Command};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// What the name of each of our environment variables begins with.
const ENVIRONMENT_PREFIX: &str = "HEARTWIRE_";

/// Run a hub.
///
/// Prints one line when it is ready, with the address that it really bound. Each setting can also be
/// given in the environment: --heartbeat-interval is HEARTWIRE_HEARTBEAT_INTERVAL; a flag wins.
/// Spans are seconds, fractions allowed. What can be switched off takes `off`.
#[derive(Debug, Args)]
#[command(mut_args(|arg| arg.allow_negative_numbers(true).hide_env(true)))]
pub(super) struct ServeArgs {
    /// Address to listen on; port 0 takes a free one [default: 127.0.0.1:8080]
    #[arg(long, env = "HEARTWIRE_LISTEN", value_name = "ADDR", help_heading = "Server")]
    listen: Option<SocketAddr>,
    /// `false` lets everybody read and publish, which on other than loopback addresses must be asked for
    #[arg(long, env = "HEARTWIRE_REQUIRE_AUTH", value_name = "BOOL", help_heading = "Server")]
    require_auth: Option<bool>,
    /// Folder to serve at / [default: none]
    #[arg(long, env = "HEARTWIRE_WWW", value_name = "DIR", help_heading = "Server")]
    www: Option<PathBuf>,
    /// How often to publish this machine's figures under the topic `host` [default: off]
    #[arg(long, env = "HEARTWIRE_HOST_STATS_INTERVAL", value_name = "SECONDS", help_heading = "Server")]
    host_stats_interval: Option<Switchable<Seconds>>,
    /// Over which span streams end on shutdown [default: 5]
    #[arg(long, env = "HEARTWIRE_DRAIN_WINDOW", value_name = "SECONDS", help_heading = "Server")]
    drain_window: Option<Seconds>,

    /// Whether streaming is on at the start; off, clients poll [default: true]
    #[arg(long, env = "HEARTWIRE_ENABLE_SSE", value_name = "BOOL", help_heading = "Streams")]
    enable_sse: Option<bool>,
    /// How often each stream gets a heartbeat [default: 15]
    #[arg(long, env = "HEARTWIRE_HEARTBEAT_INTERVAL", value_name = "SECONDS", help_heading = "Streams")]
    heartbeat_interval: Option<Switchable<Seconds>>,
    /// Most streams at a time [default: off]
    #[arg(long, env = "HEARTWIRE_MAX_CONNECTIONS", value_name = "COUNT", help_heading = "Streams")]
    max_connections: Option<Switchable<usize>>,
    /// Longest life of a stream [default: off]
    #[arg(long, env = "HEARTWIRE_CONNECTION_TIMEOUT", value_name = "SECONDS", help_heading = "Streams")]
    connection_timeout: Option<Switchable<Seconds>>,
    /// Most events that a reader may fall behind [default: 10000]
    #[arg(long, env = "HEARTWIRE_MAX_QUEUE_SIZE", value_name = "EVENTS", help_heading = "Streams")]
    max_queue_size: Option<Switchable<usize>>,
    /// Smallest payload that is compressed for readers who ask for it [default: 1024]
    #[arg(long, env = "HEARTWIRE_COMPRESS_MIN_BYTES", value_name = "BYTES", help_heading = "Streams")]
    compress_min_bytes: Option<Switchable<usize>>,
    /// Whether streams are sent as gzip to readers that accept it [default: true]
    #[arg(long, env = "HEARTWIRE_STREAM_COMPRESSION", value_name = "BOOL", help_heading = "Streams")]
    stream_compression: Option<bool>,
    /// Most topics that one request may name [default: 100]
    #[arg(long, env = "HEARTWIRE_MAX_TOPICS_PER_REQUEST", value_name = "COUNT", help_heading = "Streams")]
    max_topics_per_request: Option<usize>,

    /// Most events to keep of one topic [default: 10000]
    #[arg(long, env = "HEARTWIRE_MAX_HISTORY_PER_TOPIC", value_name = "EVENTS", help_heading = "History")]
    max_history_per_topic: Option<usize>,
    /// Most memory for the events of one topic [default: 16777216]
    #[arg(long, env = "HEARTWIRE_MAX_BYTES_PER_TOPIC", value_name = "BYTES", help_heading = "History")]
    max_bytes_per_topic: Option<usize>,
    /// Most memory for all topics [default: 268435456]
    #[arg(long, env = "HEARTWIRE_MAX_BYTES_TOTAL", value_name = "BYTES", help_heading = "History")]
    max_bytes_total: Option<usize>,
    /// How long an event is kept [default: 300]
    #[arg(long, env = "HEARTWIRE_EVENT_TTL", value_name = "SECONDS", help_heading = "History")]
    event_ttl: Option<Switchable<Seconds>>,
    /// How long a topic is kept that nobody uses [default: 1800]
    #[arg(long, env = "HEARTWIRE_TOPIC_TTL", value_name = "SECONDS", help_heading = "History")]
    topic_ttl: Option<Switchable<Seconds>>,
    /// How often to clean up [default: 60]
    #[arg(long, env = "HEARTWIRE_CLEANUP_INTERVAL", value_name = "SECONDS", help_heading = "History")]
    cleanup_interval: Option<Seconds>,
    /// Largest body that can be published [default: 1048576]
    #[arg(long, env = "HEARTWIRE_MAX_BODY_BYTES", value_name = "BYTES", help_heading = "History")]
    max_body_bytes: Option<usize>,
}

impl ServeArgs {
    /// The defaults, with what was given in their place.
    pub(super) fn into_config(self) -> ServeConfig {
        let (serve, hub) = (ServeConfig::default(), HubConfig::default());
        ServeConfig {
            listen: self.listen.unwrap_or(serve.listen),
            require_auth: self.require_auth.or(serve.require_auth),
            www: self.www.or(serve.www),
            host_stats_interval: span_or(self.host_stats_interval, serve.host_stats_interval),
            hub: HubConfig {
                enable_sse: self.enable_sse.unwrap_or(hub.enable_sse),
                heartbeat_interval: span_or(self.heartbeat_interval, hub.heartbeat_interval),
                max_connections: number_or(self.max_connections, hub.max_connections),
                connection_timeout: span_or(self.connection_timeout, hub.connection_timeout),
                max_queue_size: number_or(self.max_queue_size, hub.max_queue_size),
                slow_readers: hub.slow_readers,
                topic_rules: hub.topic_rules,
                max_history_per_topic: self.max_history_per_topic.unwrap_or(hub.max_history_per_topic),
                max_bytes_per_topic: self.max_bytes_per_topic.unwrap_or(hub.max_bytes_per_topic),
                max_bytes_total: self.max_bytes_total.unwrap_or(hub.max_bytes_total),
                event_ttl: span_or(self.event_ttl, hub.event_ttl),
                topic_ttl: span_or(self.topic_ttl, hub.topic_ttl),
                cleanup_interval: self.cleanup_interval.map_or(hub.cleanup_interval, |Seconds(span)| span),
                compress_min_bytes: number_or(self.compress_min_bytes, hub.compress_min_bytes),
                stream_compression: self.stream_compression.unwrap_or(hub.stream_compression),
                max_body_bytes: self.max_body_bytes.unwrap_or(hub.max_body_bytes),
                max_topics_per_request: self.max_topics_per_request.unwrap_or(hub.max_topics_per_request),
                drain_window: self.drain_window.map_or(hub.drain_window, |Seconds(span)| span),
            },
        }
    }
}

fn span_or(given: Option<Switchable<Seconds>>, default: Option<Duration>) -> Option<Duration> {
    match given {
        None => default,
        Some(Switchable::Off) => None,
        Some(Switchable::On(Seconds(span))) => Some(span),
    }
}

fn number_or(given: Option<Switchable<usize>>, default: Option<usize>) -> Option<usize> {
    match given {
        None => default,
        Some(Switchable::Off) => None,
        Some(Switchable::On(number)) => Some(number),
    }
}

/// A span as it is written outside: seconds, fractions allowed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Seconds(pub(super) Duration);

impl FromStr for Seconds {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let seconds: f64 = text.parse().map_err(|_| "must be a number of seconds, such as 15 or 0.5")?;
        Duration::try_from_secs_f64(seconds).map(Self).map_err(|_| "must be a number of seconds from 0 on")
    }
}

/// A value, or `off`.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Switchable<T> {
    Off,
    On(T),
}

impl<T: FromStr<Err: ToString>> FromStr for Switchable<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "off" {
            return Ok(Self::Off);
        }
        text.parse().map(Self::On).map_err(|err: T::Err| format!("{}; `off` switches it off", err.to_string()))
    }
}

/// Refuses a variable that begins like ours and is none: a typing error would otherwise leave a
/// default in force without a word.
pub(super) fn check_environment(names: impl Iterator<Item = OsString>) -> Result<(), Failure> {
    let command = ServeArgs::augment_args(Command::new("serve"));
    let known: Vec<&str> =
        command.get_arguments().filter_map(|arg| arg.get_env()?.to_str()?.strip_prefix(ENVIRONMENT_PREFIX)).collect();
    for name in names {
        let name = name.to_string_lossy();
        let Some(given) = name.strip_prefix(ENVIRONMENT_PREFIX) else { continue };
        if !known.contains(&given) {
            let likeness = |known: &&&str| (strsim::jaro_winkler(known, given) * 1_000.0) as u32;
            let nearest = known.iter().max_by_key(likeness).copied().unwrap_or_default();
            let sentence =
                format!("the environment variable {name} is not a setting; is it {ENVIRONMENT_PREFIX}{nearest}?");
            return Err(Failure::of(sentence));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Serve {
        #[command(flatten)]
        args: ServeArgs,
    }

    fn parse(line: &str) -> Result<ServeConfig, String> {
        let words = std::iter::once("serve").chain(line.split_whitespace());
        let serve = Serve::try_parse_from(words).map_err(|err| err.to_string())?;
        let config = serve.args.into_config();
        config.check().map_err(|err| err.to_string())?;
        Ok(config)
    }

    #[test]
    fn nothing_given_is_the_default() {
        assert_eq!(parse("").unwrap(), ServeConfig::default());
    }

    #[test]
    fn flags_take_the_place_of_defaults() {
        let config = parse("--heartbeat-interval 0.5 --event-ttl off --max-connections 7 --enable-sse false").unwrap();
        assert_eq!(config.hub.heartbeat_interval, Some(Duration::from_millis(500)));
        assert_eq!(config.hub.event_ttl, None);
        assert_eq!(config.hub.max_connections, Some(7));
        assert!(!config.hub.enable_sse);
    }

    #[test]
    fn an_impossible_value_is_refused_with_the_name_of_its_setting() {
        let check = |line: &str, name: &str| {
            let refusal = parse(line).unwrap_err();
            assert!(refusal.contains(name), "{line}: {refusal}");
        };
        check("--heartbeat-interval 0", "heartbeat_interval must be more than zero");
        check("--heartbeat-interval 0.009", "heartbeat_interval must be at least 0.01 s");
        check("--heartbeat-interval -1", "--heartbeat-interval");
        check("--heartbeat-interval NaN", "--heartbeat-interval");
        check("--heartbeat-interval soon", "must be a number of seconds");
        check("--event-ttl 1e300", "must be a number of seconds");
        check("--event-ttl 1e9", "event_ttl must be at most a year");
        check("--max-history-per-topic 0", "max_history_per_topic must be more than zero");
        check("--max-history-per-topic -5", "--max-history-per-topic");
        check("--listen 0.0.0.0:8080", "require_auth must be set to false by name");
        check("--listen nowhere", "--listen");
    }

    #[test]
    fn an_unknown_variable_is_refused_and_the_nearest_name_offered() {
        let check = |name: &str| check_environment([OsString::from(name)].into_iter());
        assert_eq!(check("HEARTWIRE_LISTEN"), Ok(()));
        assert_eq!(check("PATH"), Ok(()));
        for typo in ["HEARTWIRE_HEARTBEAT_INTERVALL", "HEARTWIRE_HEARTBEAT", "HEARTWIRE_HEARBEAT_INTERVAL"] {
            let refusal = check(typo).unwrap_err().to_string();
            assert!(refusal.ends_with("is it HEARTWIRE_HEARTBEAT_INTERVAL?"), "{refusal}");
        }
    }

    #[test]
    fn the_help_tells_the_true_defaults() {
        let help = ServeArgs::augment_args(Command::new("serve")).render_long_help().to_string();
        let hub = HubConfig::default();
        let check = |flag: &str, default: String| {
            let text = help.split(&format!("      --{flag} ")).nth(1).unwrap_or_default();
            let text = text.split("\n      --").next().unwrap_or_default();
            assert!(text.contains(&format!("[default: {default}]")), "{flag}: {text}");
        };
        let seconds = |span: Option<Duration>| span.map_or("off".into(), |span| span.as_secs().to_string());
        let number = |number: Option<usize>| number.map_or("off".into(), |number| number.to_string());
        check("listen", ServeConfig::default().listen.to_string());
        check("drain-window", seconds(Some(hub.drain_window)));
        check("enable-sse", hub.enable_sse.to_string());
        check("heartbeat-interval", seconds(hub.heartbeat_interval));
        check("max-connections", number(hub.max_connections));
        check("connection-timeout", seconds(hub.connection_timeout));
        check("max-queue-size", number(hub.max_queue_size));
        check("compress-min-bytes", number(hub.compress_min_bytes));
        check("stream-compression", hub.stream_compression.to_string());
        check("max-topics-per-request", hub.max_topics_per_request.to_string());
        check("max-history-per-topic", hub.max_history_per_topic.to_string());
        check("max-bytes-per-topic", hub.max_bytes_per_topic.to_string());
        check("max-bytes-total", hub.max_bytes_total.to_string());
        check("event-ttl", seconds(hub.event_ttl));
        check("topic-ttl", seconds(hub.topic_ttl));
        check("cleanup-interval", seconds(Some(hub.cleanup_interval)));
        check("max-body-bytes", hub.max_body_bytes.to_string());
    }
}
