//! How often something happens lately, told from two numbers and no list of moments.

use std::time::Duration;
use tokio::time::Instant;

/// The span that a rate is told over.
const SPAN: Duration = Duration::from_secs(5);

/// Counts in this span and in the one before. What lies between is taken to be spread evenly, so a rate is
/// exact for something steady, and has forgotten after two spans.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    begin: Instant,
    n_now: u32,
    n_before: u32,
}

impl Rate {
    pub(crate) fn new(now: Instant) -> Self {
        Self { begin: now, n_now: 0, n_before: 0 }
    }

    pub(crate) fn count(&mut self, now: Instant) {
        *self = self.at(now);
        self.n_now = self.n_now.saturating_add(1);
    }

    pub(crate) fn per_second(&self, now: Instant) -> f64 {
        let Self { begin, n_now, n_before } = self.at(now);
        let passed = now.duration_since(begin).as_secs_f64() / SPAN.as_secs_f64();
        (f64::from(n_before) * (1.0 - passed) + f64::from(n_now)) / SPAN.as_secs_f64()
    }

    /// The same with the span in which a moment lies as the present one.
    fn at(self, now: Instant) -> Self {
        let age = now.duration_since(self.begin);
        if age < SPAN {
            self
        } else if age < 2 * SPAN {
            Self { begin: self.begin + SPAN, n_now: 0, n_before: self.n_now }
        } else {
            Self::new(now)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_rate_is_told_exactly_and_forgotten_when_it_ends() {
        let begin = Instant::now();
        let at = |ms: u64| begin + Duration::from_millis(ms);
        let mut rate = Rate::new(begin);
        for n in 0..600 {
            rate.count(at(n * 50));
        }
        // 20 a second, for half a minute.
        for ms in [29_999, 30_000] {
            let told = rate.per_second(at(ms));
            assert!((19.5..=20.5).contains(&told), "{told} at {ms}");
        }
        assert!((9.0..=11.0).contains(&rate.per_second(at(32_500))));
        assert_eq!(rate.per_second(at(41_000)), 0.0);
        assert_eq!(rate.per_second(at(3_600_000)), 0.0);
    }

    #[test]
    fn the_first_event_counts_at_once() {
        let begin = Instant::now();
        let mut rate = Rate::new(begin);
        assert_eq!(rate.per_second(begin), 0.0);
        rate.count(begin);
        assert_eq!(rate.per_second(begin), 0.2);
    }
}
