//! The delay before the next try.

use core::time::Duration;

/// How long to wait before attempt n: exponential, capped, and spread at random over the whole span
/// between a floor and the cap ("full jitter"), so that a fleet which lost its server in one moment
/// does not come back in one.
///
/// The default waits up to 1, 2, 4, 8, 16 and then 30 s, and never less than a tenth of that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The longest delay before the first attempt.
    pub base_delay: Duration,
    /// The longest delay before any attempt.
    pub max_delay: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { base_delay: Duration::from_secs(1), max_delay: Duration::from_secs(30) }
    }
}

impl Backoff {
    /// The shortest delay is this part of the longest one: what keeps a lone client, whose draw is
    /// close to zero, from hammering a server that is just going down.
    const FLOOR_PART: u32 = 10;

    /// The longest delay before attempt `attempt`, which counts from 1.
    ///
    /// ```
    /// use core::time::Duration;
    /// use heartwire_protocol::backoff::Backoff;
    ///
    /// let caps: Vec<u64> = (1..=7).map(|attempt| Backoff::default().cap(attempt).as_secs()).collect();
    /// assert_eq!(caps, [1, 2, 4, 8, 16, 30, 30]);
    /// ```
    #[must_use]
    pub fn cap(&self, attempt: u32) -> Duration {
        let doublings = attempt.saturating_sub(1).min(31);
        self.base_delay.saturating_mul(1 << doublings).min(self.max_delay)
    }

    /// The delay before attempt `attempt`; `unit` is a random number from 0 up to 1.
    #[must_use]
    pub fn delay(&self, attempt: u32, unit: f64) -> Duration {
        let cap = self.cap(attempt);
        let floor = cap / Self::FLOOR_PART;
        floor + (cap - floor).mul_f64(unit.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_is_spread_between_a_floor_and_the_cap() {
        let backoff = Backoff::default();
        assert_eq!(backoff.delay(1, 0.0), Duration::from_millis(100));
        assert_eq!(backoff.delay(1, 1.0), Duration::from_secs(1));
        assert_eq!(backoff.delay(4, 0.5), Duration::from_millis(4_400));
        assert_eq!(backoff.delay(u32::MAX, 1.0), Duration::from_secs(30));
    }

    #[test]
    fn nonsense_settings_give_a_delay_all_the_same() {
        let backoff = Backoff { base_delay: Duration::MAX, max_delay: Duration::from_secs(5) };
        assert_eq!(backoff.delay(3, f64::NAN.max(0.0)), Duration::from_millis(500));
        assert_eq!(Backoff { base_delay: Duration::ZERO, max_delay: Duration::ZERO }.delay(9, 0.7), Duration::ZERO);
    }
}
