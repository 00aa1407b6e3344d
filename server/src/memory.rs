//! How much memory the history and its readers may take together.
//!
//! It counts and tells; it holds no events. The hub asks it how much room there is, and sheds or refuses.

use crate::config::HubConfig;
use crate::limits::Permits;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a reader is counted as. One in the lean lane takes about half of it; one over HTTP/2 or in another
/// server takes more, which is the business of whoever sets the limit.
const READER_BYTES: usize = 2 * 1024;

/// The bounds on memory, and how often it was told that one is reached.
#[derive(Debug)]
pub(crate) struct Memory {
    streams: Arc<Permits>,
    /// The bound on the history alone.
    max_bytes_total: usize,
    critical_bytes: Option<usize>,
    warning: Level,
    critical: Level,
}

impl Memory {
    pub(crate) fn new(config: &HubConfig, streams: Arc<Permits>) -> Self {
        let critical_bytes = config.memory_critical_bytes();
        let level = |bytes: Option<usize>| Level { bytes, is_reached: AtomicBool::new(false) };
        Self {
            streams,
            max_bytes_total: config.max_bytes_total,
            critical_bytes,
            warning: level(config.memory_warning_bytes()),
            critical: level(critical_bytes),
        }
    }

    /// How many bytes the history may take right now; `None` when that never changes.
    pub(crate) fn room(&self) -> Option<usize> {
        Some(self.beside_readers()?.min(self.max_bytes_total))
    }

    /// Whether an event of this cost fits when all others are given up for it.
    pub(crate) fn has_room_for(&self, cost_bytes: usize) -> bool {
        self.beside_readers().is_none_or(|room| cost_bytes <= room)
    }

    /// What the history and the readers take together.
    pub(crate) fn used_bytes(&self, history_bytes: usize) -> usize {
        history_bytes.saturating_add(self.reader_bytes())
    }

    fn beside_readers(&self) -> Option<usize> {
        Some(self.critical_bytes?.saturating_sub(self.reader_bytes()))
    }

    fn reader_bytes(&self) -> usize {
        self.streams.held().saturating_mul(READER_BYTES)
    }

    /// Says in the log when a level is reached. `history_bytes`: what the history would take if nothing
    /// were shed.
    pub(crate) fn watch(&self, history_bytes: usize) {
        let (readers, used_bytes) = (self.streams.held(), self.used_bytes(history_bytes));
        if self.critical.is_newly_reached(used_bytes) {
            tracing::warn!(used_bytes, readers, "memory is critical: the oldest history is shed");
        } else if self.warning.is_newly_reached(used_bytes) {
            tracing::warn!(used_bytes, readers, "memory is getting scarce");
        }
    }
}

/// A level that is told of once, and again only after it was left for good.
#[derive(Debug)]
struct Level {
    bytes: Option<usize>,
    is_reached: AtomicBool,
}

impl Level {
    fn is_newly_reached(&self, used_bytes: usize) -> bool {
        let Some(bytes) = self.bytes else { return false };
        if used_bytes >= bytes {
            return !self.is_reached.swap(true, Ordering::Relaxed);
        }
        // A tenth below: otherwise a use that goes to and fro at the level would fill the log.
        if used_bytes < bytes - bytes / 10 {
            self.is_reached.store(false, Ordering::Relaxed);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_told_of_once_until_it_was_left_by_a_tenth() {
        let level = Level { bytes: Some(1_000), is_reached: AtomicBool::new(false) };
        let told: Vec<bool> = [999, 1_000, 1_001, 990, 1_000, 900, 1_000, 899, 999, 1_000, 5_000]
            .map(|used_bytes| level.is_newly_reached(used_bytes))
            .into();
        let expected = [false, true, false, false, false, false, false, false, false, true, false];
        assert_eq!(told, expected);
        assert!(!Level { bytes: None, is_reached: AtomicBool::new(false) }.is_newly_reached(usize::MAX));
    }

    #[test]
    fn each_reader_leaves_less_room_for_the_history() {
        let streams = Permits::new(None);
        let config = HubConfig { memory_critical_mb: Some(16), max_bytes_total: 16 << 20, ..HubConfig::default() };
        let memory = Memory::new(&config, Arc::clone(&streams));
        assert_eq!(memory.room(), Some(16 << 20));
        let held: Vec<_> = (0..8_191).map(|_| streams.acquire()).collect();
        assert_eq!(memory.room(), Some(2_048));
        assert!(memory.has_room_for(2_048) && !memory.has_room_for(2_049));
        let more: Vec<_> = (0..2).map(|_| streams.acquire()).collect();
        assert_eq!(memory.room(), Some(0));
        drop((held, more));
        assert_eq!(memory.room(), Some(16 << 20));
        let unbounded = Memory::new(&HubConfig::default(), streams);
        assert_eq!(unbounded.room(), None);
        assert!(unbounded.has_room_for(usize::MAX));
    }
}
