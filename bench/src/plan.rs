//! How many readers, how fast and for how long: the numbers of a full run and of a quick one.

use std::time::Duration;

use serde::Serialize;

/// The most files that this process and each server may have open; the usual limit is higher.
pub(crate) const MAX_OPEN_FILES: u32 = 20_000;
/// The most sockets that one generator owns, which leaves room for files of other kinds.
pub(crate) const MAX_READERS: usize = 19_000;

/// The sizes and spans of one run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Plan {
    pub(crate) is_quick: bool,
    pub(crate) rounds: usize,
    /// Readers in the three sizes.
    pub(crate) small: usize,
    pub(crate) medium: usize,
    pub(crate) large: usize,
    /// Events per second to the medium crowd.
    pub(crate) busy_rate: f64,
    /// Deliveries per second when sizes are compared: the same at each, by fewer events to more readers.
    pub(crate) growth_deliveries: f64,
    /// Between opening and looking at memory, and between two loads.
    pub(crate) settle: Duration,
    /// Loads run this long before they count.
    pub(crate) warm_up: Duration,
    pub(crate) busy: Duration,
    pub(crate) large_load: Duration,
    pub(crate) growth: Duration,
    pub(crate) flood: Duration,
    /// The most events that are on their way at once in the flood.
    pub(crate) flood_window: usize,
    /// How long idle streams are watched, and how far apart their heartbeats are meanwhile.
    pub(crate) idle: Duration,
    /// How far apart heartbeats are under load.
    pub(crate) heartbeat: Duration,
    /// How many events the bytes on the wire are counted over.
    pub(crate) wire_events: u32,
}

impl Plan {
    pub(crate) fn full() -> Self {
        Self {
            is_quick: false,
            rounds: 3,
            small: 100,
            medium: 1_000,
            large: 10_000,
            busy_rate: 40.0,
            growth_deliveries: 20_000.0,
            settle: Duration::from_secs(2),
            warm_up: Duration::from_secs(2),
            busy: Duration::from_secs(10),
            large_load: Duration::from_secs(12),
            growth: Duration::from_secs(5),
            flood: Duration::from_secs(5),
            flood_window: 32,
            idle: Duration::from_secs(10),
            heartbeat: Duration::from_secs(30),
            wire_events: 2_000,
        }
    }

    /// Checks that everything works. Its figures say little.
    pub(crate) fn quick() -> Self {
        Self {
            is_quick: true,
            rounds: 1,
            large: 2_000,
            settle: Duration::from_millis(300),
            warm_up: Duration::from_millis(500),
            busy: Duration::from_secs(2),
            large_load: Duration::from_secs(2),
            growth: Duration::from_secs(1),
            flood: Duration::from_secs(1),
            idle: Duration::from_secs(2),
            wire_events: 300,
            ..Self::full()
        }
    }

    /// Events per second that make up the compared deliveries at this many readers.
    pub(crate) fn growth_rate(&self, n_readers: usize) -> f64 {
        self.growth_deliveries / n_readers as f64
    }
}
