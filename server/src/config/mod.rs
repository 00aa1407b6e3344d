//! Every setting, with its unit, its default and what happens at the limit.
//!
//! [`HubConfig`] is what a library user sets, and [`AuthConfig`] where somebody is to be known. [`ServeConfig`] is
//! what the binary adds around them, with [`EdgesConfig`] for what browsers meet.
//! [`Preset`] names values that go together. All are plain: text, flags, files and the environment become
//! typed values in the command line, before they come in here. The text over each field is the one that
//! `heartwire serve --help`, `heartwire config` and docs/configuration.md show.

mod api_key;
mod auth;
mod edges;
mod hub;
mod limits;
mod preset;
mod secret;
mod serve;
mod topic_pattern;
mod topic_rule;
mod trusted_proxy;
mod watch;
mod web_name;

pub use api_key::{ApiKey, KeyHash};
pub use auth::AuthConfig;
pub use edges::EdgesConfig;
pub use hub::HubConfig;
pub use limits::LimitsConfig;
pub use preset::{Machine, Preset, PresetValue};
pub use secret::Secret;
pub use serve::ServeConfig;
pub use topic_pattern::{TopicPattern, TopicPatternError};
pub(crate) use topic_rule::PerTopic;
pub use topic_rule::{SlowReaders, TopicRule};
pub use trusted_proxy::TrustedProxy;
pub use watch::{LogConfig, LogFormat, LogLevel, OtlpEndpoint, WatchConfig};
pub use web_name::{HostName, Origin, PathPrefix, WebNameError};

use std::fmt;
use std::time::Duration;

/// A value that cannot be meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The setting, as it is written everywhere.
    pub setting: &'static str,
    /// What is wrong with its value.
    pub problem: &'static str,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.setting, self.problem)
    }
}

impl std::error::Error for ConfigError {}

const ZERO: &str = "must be more than zero";
const ZERO_OR_OFF: &str = "must be more than zero; `off` switches it off";

/// What is wrong with a span that can be switched off, if anything.
fn span_problem(span: Option<Duration>) -> Option<&'static str> {
    match span? {
        Duration::ZERO => Some(ZERO_OR_OFF),
        span => too_long(span),
    }
}

/// What is wrong with a span that is longer than a year.
pub(crate) fn too_long(span: Duration) -> Option<&'static str> {
    /// Enough for anything that is not better switched off, and safe to add to any clock.
    const A_YEAR: Duration = Duration::from_secs(366 * 24 * 3_600);
    (span > A_YEAR).then_some("must be at most a year")
}
