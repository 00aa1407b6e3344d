//! When was the peer last heard, and when is it called silent?

use crate::time::Moment;
use core::time::Duration;

/// The longest silence to bear from a server that promises a heartbeat every `interval`: one and a
/// half of it, so that a heartbeat that is late by half an interval is not yet a lost link.
///
/// ```
/// use core::time::Duration;
/// use heartwire_protocol::heartbeat::silence_limit;
///
/// assert_eq!(silence_limit(Duration::from_secs(30)), Duration::from_secs(45));
/// ```
#[must_use]
pub fn silence_limit(interval: Duration) -> Duration {
    interval.saturating_add(interval / 2)
}

/// Watches one link: any byte that is heard puts the deadline off.
#[derive(Debug, Clone, Copy)]
pub struct Watchdog {
    last_heard: Moment,
    limit: Option<Duration>,
}

impl Watchdog {
    /// Starts to watch; `None` bears any silence.
    #[must_use]
    pub fn new(limit: Option<Duration>, now: Moment) -> Self {
        Self { last_heard: now, limit }
    }

    /// Something came from the peer.
    pub fn heard(&mut self, now: Moment) {
        self.last_heard = now;
    }

    /// From now on a silence of this length is too long.
    pub fn set_limit(&mut self, limit: Option<Duration>) {
        self.limit = limit;
    }

    /// When the peer was last heard.
    #[must_use]
    pub fn last_heard(&self) -> Moment {
        self.last_heard
    }

    /// When the peer is called silent unless it is heard before.
    #[must_use]
    pub fn deadline(&self) -> Option<Moment> {
        Some(self.last_heard + self.limit?)
    }

    /// When a peer that is well has been heard: two thirds of the limit, which is when its heartbeat is due
    /// where the limit is a [`silence_limit`].
    #[must_use]
    pub fn expected_by(&self) -> Option<Moment> {
        Some(self.last_heard + self.limit? / 3 * 2)
    }

    /// Whether the deadline has passed.
    #[must_use]
    pub fn is_silent(&self, now: Moment) -> bool {
        self.deadline().is_some_and(|deadline| now >= deadline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn every_sound_puts_the_deadline_off() {
        let mut watchdog = Watchdog::new(Some(Duration::from_secs(45)), Moment::from_millis(0));
        assert!(!watchdog.is_silent(Moment::from_millis(44_999)));
        watchdog.heard(Moment::from_millis(30_000));
        assert!(!watchdog.is_silent(Moment::from_millis(74_999)));
        assert!(watchdog.is_silent(Moment::from_millis(75_000)));
        assert_eq!(watchdog.expected_by(), Some(Moment::from_millis(60_000)));
    }

    #[test]
    fn without_a_limit_silence_is_never_too_long() {
        let watchdog = Watchdog::new(None, Moment::from_millis(0));
        assert_eq!(watchdog.deadline(), None);
        assert!(!watchdog.is_silent(Moment::from_millis(u64::MAX)));
    }
}
