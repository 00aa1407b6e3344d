//! Presets: values for a kind of place, under one name.
//!
//! A preset knows names and numbers only. The command line puts them between the defaults and what is
//! set by name.

use std::fmt;
use std::str::FromStr;

/// A set of values that go together. What is set by name wins over them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Preset {
    /// A laptop: little is kept, and not for long.
    Development,
    /// A server of its own. Open access must be asked for by name, on any address.
    Production,
    /// Many events that are old news soon.
    HighTraffic,
    /// A small machine, or a small share of one.
    LowMemory,
    /// Sized from the [`Machine`].
    Auto,
}

/// What there is to share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Machine {
    /// Memory: the limit of the container where there is one, else what the machine has to give.
    pub available_bytes: u64,
    /// Processors that this process may use.
    pub n_cores: usize,
}

/// A value that a preset sets, as a file has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PresetValue {
    /// A count, seconds or megabytes.
    Number(u64),
    /// On or off.
    Truth(bool),
    /// A list of words.
    Words(&'static [&'static str]),
}

/// Where the pages of a front end that is being worked on come from.
const DEVELOPMENT_ORIGINS: &[&str] = &["http://localhost:3000", "http://localhost:3001"];

/// What the first four presets set, in the order of their rows.
const COLUMNS: [&str; 8] = [
    "max_queue_size",
    "max_history_per_topic",
    "event_ttl",
    "topic_ttl",
    "cleanup_interval",
    "max_subscriber_idle_time",
    "memory_warning_mb",
    "memory_critical_mb",
];
const DEVELOPMENT: [u64; 8] = [500, 100, 60, 600, 30, 300, 50, 100];
const PRODUCTION: [u64; 8] = [2_000, 500, 300, 1_800, 120, 600, 200, 500];
const HIGH_TRAFFIC: [u64; 8] = [5_000, 100, 60, 300, 30, 300, 500, 1_000];
const LOW_MEMORY: [u64; 8] = [200, 50, 30, 300, 15, 120, 25, 50];

const MB: u64 = 1024 * 1024;

impl Preset {
    /// All there are.
    pub const ALL: [Self; 5] = [Self::Development, Self::Production, Self::HighTraffic, Self::LowMemory, Self::Auto];

    /// The word for it in settings.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Production => "production",
            Self::HighTraffic => "high-traffic",
            Self::LowMemory => "low-memory",
            Self::Auto => "auto",
        }
    }

    /// The settings by name. Only [`Preset::Auto`] looks at the machine.
    #[must_use]
    pub fn settings(self, machine: Machine) -> Vec<(&'static str, PresetValue)> {
        let number = |(name, number)| (name, PresetValue::Number(number));
        let origins = (self == Self::Development).then_some(("allow_origins", PresetValue::Words(DEVELOPMENT_ORIGINS)));
        // What counts takes a hundred bytes of each reader, and somebody who scrapes it.
        let metrics = (self == Self::LowMemory).then_some(("metrics", PresetValue::Truth(false)));
        self.numbers(machine).into_iter().map(number).chain(origins).chain(metrics).collect()
    }

    fn numbers(self, machine: Machine) -> Vec<(&'static str, u64)> {
        match self {
            Self::Development => row(DEVELOPMENT),
            Self::Production => row(PRODUCTION),
            Self::HighTraffic => row(HIGH_TRAFFIC),
            Self::LowMemory => row(LOW_MEMORY),
            Self::Auto => sized(machine),
        }
    }
}

fn row(values: [u64; COLUMNS.len()]) -> Vec<(&'static str, u64)> {
    let [.., critical_mb] = values;
    // Otherwise the default of the one could stay below the other, which would then do nothing.
    let bytes_total = [("max_bytes_total", critical_mb * MB)];
    COLUMNS.into_iter().zip(values).chain(bytes_total).collect()
}

/// Values for a machine: a tenth of its memory, shared out for ten topics of five readers.
fn sized(machine: Machine) -> Vec<(&'static str, u64)> {
    const EVENT_BYTES: u64 = 1_024;
    const READER_BYTES: u64 = 500;
    const N_TOPICS: u64 = 10;
    const N_READERS: u64 = 5 * N_TOPICS;
    /// The default of `max_bytes_per_topic`, which a small budget must come below.
    const TOPIC_BYTES: u64 = 16 * MB;

    let budget = machine.available_bytes / 10;
    let for_events = budget.saturating_sub(N_READERS * READER_BYTES);
    let history = (for_events / (N_TOPICS * EVENT_BYTES)).clamp(1, 1_000);
    // In whole megabytes, of which there is at least one.
    let share = |percent: u64| (budget / 100 * percent / MB).max(1);
    let cleanup_interval = match machine.n_cores {
        8.. => 30,
        4..8 => 60,
        _ => 120,
    };
    vec![
        ("max_queue_size", (2 * history).min(5_000)),
        ("max_history_per_topic", history),
        ("max_bytes_per_topic", TOPIC_BYTES.min(share(95) * MB)),
        ("max_bytes_total", share(95) * MB),
        ("cleanup_interval", cleanup_interval),
        ("memory_warning_mb", share(80)),
        ("memory_critical_mb", share(95)),
    ]
}

impl fmt::Display for PresetValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Truth(truth) => truth.fmt(f),
            Self::Words(words) => f.write_str(&words.join(", ")),
        }
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Preset {
    type Err = &'static str;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|preset| preset.as_str() == word);
        known.ok_or("must be development, production, high-traffic, low-memory or auto")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_read_as_it_is_written() {
        for preset in Preset::ALL {
            assert_eq!(preset.to_string().parse(), Ok(preset));
        }
        assert!("Production".parse::<Preset>().is_err());
    }

    #[test]
    fn auto_is_sized_from_the_machine() {
        let check = |available_bytes: u64, n_cores: usize, [queue, history, cleanup, warning, critical]: [u64; 5]| {
            let expected = [
                ("max_queue_size", queue),
                ("max_history_per_topic", history),
                ("max_bytes_per_topic", (16 * MB).min(critical * MB)),
                ("max_bytes_total", critical * MB),
                ("cleanup_interval", cleanup),
                ("memory_warning_mb", warning),
                ("memory_critical_mb", critical),
            ];
            let settings = Preset::Auto.numbers(Machine { available_bytes, n_cores });
            assert_eq!(settings, expected, "{available_bytes} bytes, {n_cores} cores");
        };
        check(64 * 1024 * MB, 16, [2_000, 1_000, 30, 5_242, 6_225]);
        check(4 * 1024 * MB, 8, [2_000, 1_000, 30, 327, 389]);
        check(1024 * MB, 7, [2_000, 1_000, 60, 81, 97]);
        check(256 * MB, 4, [2_000, 1_000, 60, 20, 24]);
        check(64 * MB, 3, [1_304, 652, 120, 5, 6]);
        check(16 * MB, 1, [322, 161, 120, 1, 1]);
        check(0, 1, [2, 1, 120, 1, 1]);
        check(u64::MAX, 1_000, [2_000, 1_000, 30, 1_407_374_883_553, 1_671_257_674_219]);
    }
}
