//! The settings of whoever watches a hub: its figures, its health, its logs.

use super::{ConfigError, ZERO};
use std::fmt;
use std::str::FromStr;

/// What a hub tells about itself, and when it calls itself unwell.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(documented::DocumentedFields))]
pub struct WatchConfig {
    /// Whether the hub counts, and offers `/metrics`, `/events/stats` and the dashboard's figures. Off, these
    /// get 404. Default: true.
    pub metrics: bool,
    /// Whether everybody may read `/metrics`. Otherwise whoever runs the hub may: on a loopback address with
    /// open access everybody on the machine, elsewhere an admin identity. Default: false.
    pub metrics_public: bool,
    /// Whether `sse_events_total` tells topics apart as well. Default: false.
    pub metrics_topic_label: bool,
    /// How many event types `sse_events_total` tells apart, and how many topics if it does. What comes later
    /// is counted as `other`, so that publishers cannot make up names without end. Default 100.
    pub metrics_max_labels: usize,
    /// From how many megabytes of memory on `/health` says `degraded`. It is the memory of the process where
    /// the system tells, else of the history and its readers. A megabyte is 1,048,576 bytes. Default 1,000.
    pub health_memory_mb: usize,
    /// From how many topics on `/health` says `degraded`. Default 100.
    pub health_topics: usize,
}

impl Default for WatchConfig {
    /// Counts, and shows the figures to whoever runs the hub.
    fn default() -> Self {
        Self {
            metrics: true,
            metrics_public: false,
            metrics_topic_label: false,
            metrics_max_labels: 100,
            health_memory_mb: 1_000,
            health_topics: 100,
        }
    }
}

impl WatchConfig {
    /// Refuses values that cannot be meant.
    ///
    /// # Errors
    /// Names the first setting that is impossible, and why.
    pub fn check(&self) -> Result<(), ConfigError> {
        let verdicts = [
            ("metrics_max_labels", self.metrics_max_labels),
            ("health_memory_mb", self.health_memory_mb),
            ("health_topics", self.health_topics),
        ];
        match verdicts.into_iter().find(|(_, value)| *value == 0) {
            Some((setting, _)) => Err(ConfigError { setting, problem: ZERO }),
            None => Ok(()),
        }
    }
}

/// How the binary writes its log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "cli", derive(documented::DocumentedFields))]
pub struct LogConfig {
    /// How a line of the log looks, on standard error. `human`; `json`, one object a line with `severity`,
    /// `time` and `message` as Google's cloud reads them; or `auto`: json with the preset `production`, else
    /// human. Default: auto.
    pub log_format: LogFormat,
    /// What is logged: `error`, `warn`, `info`, `debug`, `trace`, or a list of these with targets. So
    /// `info,heartwire::access=debug` has a line for every request. Default: info.
    pub log_level: LogLevel,
    /// Where traces are sent: a collector that takes OTLP over HTTP. `http://127.0.0.1:4318`, say. Each request
    /// is a span, and joins the trace that its `traceparent` names. Only in a build with the cargo feature
    /// `otlp`. Default: off.
    pub otlp_endpoint: Option<OtlpEndpoint>,
}

impl LogConfig {
    /// Refuses what this build cannot do.
    ///
    /// # Errors
    /// Names the setting, and why.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.otlp_endpoint.is_some() && !cfg!(feature = "otlp") {
            let problem = "needs a build with the cargo feature otlp: cargo install heartwire --features otlp";
            return Err(ConfigError { setting: "otlp_endpoint", problem });
        }
        Ok(())
    }
}

/// The address of a collector, without the path that OTLP adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtlpEndpoint(String);

impl OtlpEndpoint {
    /// Where spans are posted.
    #[must_use]
    pub fn traces_url(&self) -> String {
        format!("{}/v1/traces", self.0.trim_end_matches('/'))
    }
}

impl fmt::Display for OtlpEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for OtlpEndpoint {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_http = text.strip_prefix("http://").is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'));
        if is_http { Ok(Self(text.into())) } else { Err("must be an address such as http://127.0.0.1:4318") }
    }
}

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum LogFormat {
    /// As it fits the preset.
    #[default]
    Auto,
    /// For people.
    Human,
    /// One JSON object.
    Json,
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Human => "human",
            Self::Json => "json",
        })
    }
}

impl FromStr for LogFormat {
    type Err = &'static str;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        [Self::Auto, Self::Human, Self::Json]
            .into_iter()
            .find(|format| format.to_string() == word)
            .ok_or("must be auto, human or json")
    }
}

/// What is logged: a level, and levels of single targets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLevel(String);

impl LogLevel {
    /// The text that it was read from.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for LogLevel {
    fn default() -> Self {
        Self("info".into())
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for LogLevel {
    type Err = &'static str;

    /// Levels by their names, alone or as `target=level`, with commas between.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_level = |word: &str| ["error", "warn", "info", "debug", "trace", "off"].contains(&word);
        let is_target = |word: &str| {
            !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_:-".contains(&byte))
        };
        let is_directive = |part: &str| match part.split_once('=') {
            Some((target, level)) => is_target(target) && is_level(level),
            None => is_level(part),
        };
        if text.split(',').all(|part| is_directive(part.trim())) {
            Ok(Self(text.into()))
        } else {
            Err("must be error, warn, info, debug or trace, or a list such as info,heartwire::access=debug")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_a_word_or_a_list_with_targets() {
        for text in ["info", "trace", "info,heartwire::access=debug", "warn, hyper=off"] {
            assert_eq!(text.parse::<LogLevel>().unwrap().to_string(), text);
        }
        for text in ["", "loud", "info,", "=debug", "heartwire=", "heartwire[span]=debug", "heartwire=loud", "INFO"] {
            assert!(text.parse::<LogLevel>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn each_format_is_read_as_it_is_written() {
        for format in [LogFormat::Auto, LogFormat::Human, LogFormat::Json] {
            assert_eq!(format.to_string().parse(), Ok(format));
        }
        assert!("JSON".parse::<LogFormat>().is_err());
    }

    #[test]
    fn a_limit_of_nothing_is_refused_by_name() {
        let check = |change: fn(&mut WatchConfig), expected: Option<&str>| {
            let mut config = WatchConfig::default();
            change(&mut config);
            assert_eq!(config.check().err().map(|err| err.setting), expected);
        };
        check(|_| {}, None);
        check(|c| c.metrics_max_labels = 0, Some("metrics_max_labels"));
        check(|c| c.health_memory_mb = 0, Some("health_memory_mb"));
        check(|c| c.health_topics = 0, Some("health_topics"));
    }
}
