//! One timer for all streams of a shard.
//!
//! A stream has one call at a time: at its earliest deadline. A deadline that moves makes a new
//! call; the old one stays, and whoever is called looks whether it is still the one that counts.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Calls are rounded up to this: so many heartbeats share one waking and one encoding.
const RESOLUTION: Duration = Duration::from_millis(10);

/// A moment, counted from the calendar's beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tick(u64);

impl Tick {
    pub(super) const NEVER: Self = Self(u64::MAX);

    /// How long it is from another tick to this one; nothing when that is later.
    pub(super) fn since(self, earlier: Self) -> Duration {
        let ticks = self.0.saturating_sub(earlier.0);
        RESOLUTION.saturating_mul(ticks.try_into().unwrap_or(u32::MAX))
    }

    /// The first tick that is at least a span behind this one.
    pub(super) fn after(self, span: Duration) -> Self {
        let ticks = span.as_nanos().div_ceil(RESOLUTION.as_nanos());
        Self(self.0.saturating_add(ticks.try_into().unwrap_or(u64::MAX)))
    }
}

pub(super) struct Calendar {
    begin: Instant,
    calls: BTreeMap<Tick, Vec<u32>>,
}

impl Calendar {
    pub(super) fn new(begin: Instant) -> Self {
        Self { begin, calls: BTreeMap::new() }
    }

    /// The tick that a moment falls in.
    pub(super) fn tick(&self, now: Instant) -> Tick {
        let ticks = now.duration_since(self.begin).as_nanos() / RESOLUTION.as_nanos();
        Tick(ticks.try_into().unwrap_or(u64::MAX))
    }

    pub(super) fn enter(&mut self, tick: Tick, line: u32) {
        if tick != Tick::NEVER {
            self.calls.entry(tick).or_default().push(line);
        }
    }

    /// Whom to call at or before a tick, if anybody.
    pub(super) fn due(&mut self, now: Tick) -> Option<(Tick, Vec<u32>)> {
        let first = self.calls.first_entry()?;
        (*first.key() <= now).then(|| first.remove_entry())
    }

    /// How long until the first call.
    pub(super) fn wait(&self, now: Instant) -> Option<Duration> {
        let (tick, _) = self.calls.first_key_value()?;
        let at = self.begin + RESOLUTION.saturating_mul(tick.0.try_into().unwrap_or(u32::MAX));
        Some(at.saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_come_in_order_and_never_early() {
        let begin = Instant::now();
        let mut calendar = Calendar::new(begin);
        let at = |ms: u64| begin + Duration::from_millis(ms);
        let zero = calendar.tick(begin);
        for (line, ms) in [(1, 25), (2, 1), (3, 30), (4, 3_600_000)] {
            calendar.enter(zero.after(Duration::from_millis(ms)), line);
        }
        calendar.enter(Tick::NEVER, 5);
        assert_eq!(calendar.wait(at(3)), Some(Duration::from_millis(7)));
        assert_eq!(calendar.due(calendar.tick(at(9))), None);
        let mut due = |ms| calendar.due(calendar.tick(at(ms))).map(|(_, lines)| lines);
        assert_eq!(due(10), Some(vec![2]));
        assert_eq!(due(29), None);
        assert_eq!(due(31), Some(vec![1, 3]));
        assert_eq!(due(3_599_999), None);
        assert_eq!(due(3_600_000), Some(vec![4]));
        assert_eq!(calendar.wait(at(0)), None);
    }
}
