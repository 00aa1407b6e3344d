//! How long events were under way, as a histogram.

use std::time::Duration;

/// The upper bounds of the buckets, in microseconds. Fine enough to tell quantiles from, and all of
/// [`EXPOSED_BOUNDS`] are among them.
const BOUNDS_US: [u64; 36] = [
    10, 15, 20, 30, 50, 70, // tens of microseconds
    100, 150, 200, 300, 500, 700, //
    1_000, 1_500, 2_000, 3_000, 5_000, 7_000, // milliseconds
    10_000, 15_000, 20_000, 30_000, 50_000, 70_000, //
    100_000, 150_000, 200_000, 300_000, 500_000, 700_000, //
    1_000_000, 1_500_000, 2_000_000, 3_000_000, 5_000_000, 10_000_000,
];
/// One more for whatever takes longer.
const N_BUCKETS: usize = BOUNDS_US.len() + 1;
/// The buckets, and the sum in nanoseconds.
pub(super) const N_PARTS: usize = N_BUCKETS + 1;
const SUM: usize = N_BUCKETS;

/// The bounds that Prometheus is shown, in microseconds.
pub(super) const EXPOSED_BOUNDS_US: [u64; 6] = [1_000, 10_000, 100_000, 500_000, 1_000_000, 5_000_000];

/// From the moment an event was in the log to the moment it was handed to a reader's connection. Only
/// of readers who had caught up: what is replayed was not under way.
#[derive(Debug, Clone)]
pub(crate) struct Latency([u64; N_PARTS]);

impl Default for Latency {
    fn default() -> Self {
        Self([0; N_PARTS])
    }
}

impl Latency {
    /// `n` events were under way for so long.
    pub(crate) fn observe(&mut self, took: Duration, n: u64) {
        let us = took.as_micros().try_into().unwrap_or(u64::MAX);
        self.0[BOUNDS_US.partition_point(|bound| *bound < us)] += n;
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.0[SUM] = self.0[SUM].saturating_add(ns.saturating_mul(n));
    }

    pub(super) fn parts(&self) -> &[u64; N_PARTS] {
        &self.0
    }

    pub(super) fn parts_mut(&mut self) -> &mut [u64; N_PARTS] {
        &mut self.0
    }

    pub(crate) fn n_observed(&self) -> u64 {
        self.0[..N_BUCKETS].iter().sum()
    }

    pub(super) fn sum_s(&self) -> f64 {
        self.0[SUM] as f64 / 1e9
    }

    /// How many lie in each of the exposed buckets: its upper bound in seconds, and the number in it alone.
    pub(super) fn exposed(&self) -> Vec<(f64, u64)> {
        let mut from = 0;
        let mut exposed = Vec::new();
        for bound in EXPOSED_BOUNDS_US {
            let until = BOUNDS_US.partition_point(|fine| *fine <= bound);
            exposed.push((bound as f64 / 1e6, self.0[from..until].iter().sum()));
            from = until;
        }
        exposed.push((f64::INFINITY, self.0[from..N_BUCKETS].iter().sum()));
        exposed
    }

    /// The span within which a part of the events came, in seconds; `None` when there were none. Told from
    /// the buckets, so it may be off by as much as one is wide.
    pub(super) fn quantile_s(&self, part: f64) -> Option<f64> {
        let wanted = part * self.n_observed() as f64;
        let mut below = 0;
        for (bucket, n) in self.0[..N_BUCKETS].iter().enumerate().filter(|(_, n)| **n > 0) {
            let n = *n;
            if (below + n) as f64 >= wanted {
                let lower = bucket.checked_sub(1).map_or(0, |before| BOUNDS_US[before]) as f64;
                // Nothing is known of the last one but that it lies above.
                let upper = BOUNDS_US.get(bucket).map_or(lower, |bound| *bound as f64);
                let within = (wanted - below as f64) / n as f64;
                return Some((lower + (upper - lower) * within) / 1e6);
            }
            below += n;
        }
        None
    }

    /// What was observed since an earlier look.
    pub(super) fn since(&self, before: &Self) -> Self {
        Self(std::array::from_fn(|part| self.0[part].wrapping_sub(before.0[part])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observed(micros: impl IntoIterator<Item = u64>) -> Latency {
        let mut latency = Latency::default();
        for us in micros {
            latency.observe(Duration::from_micros(us), 1);
        }
        latency
    }

    #[test]
    fn bounds_grow_and_the_exposed_ones_are_among_them() {
        assert!(BOUNDS_US.is_sorted_by(|one, next| one < next));
        assert!(EXPOSED_BOUNDS_US.iter().all(|bound| BOUNDS_US.contains(bound)));
    }

    #[test]
    fn a_bound_belongs_to_the_bucket_that_it_ends() {
        let check = |us: u64, expected: [u64; 7]| {
            let in_each: Vec<u64> = observed([us]).exposed().into_iter().map(|(_, n)| n).collect();
            assert_eq!(in_each, expected, "{us}");
        };
        check(0, [1, 0, 0, 0, 0, 0, 0]);
        check(1_000, [1, 0, 0, 0, 0, 0, 0]);
        check(1_001, [0, 1, 0, 0, 0, 0, 0]);
        check(100_000, [0, 0, 1, 0, 0, 0, 0]);
        check(500_000, [0, 0, 0, 1, 0, 0, 0]);
        check(1_000_000, [0, 0, 0, 0, 1, 0, 0]);
        check(5_000_000, [0, 0, 0, 0, 0, 1, 0]);
        check(u64::MAX, [0, 0, 0, 0, 0, 0, 1]);
    }

    #[test]
    fn quantiles_are_right_to_the_width_of_a_bucket() {
        let latency = observed(1..=10_000);
        for (part, expected) in [(0.5, 0.005), (0.95, 0.0095), (0.99, 0.0099)] {
            let told = latency.quantile_s(part).unwrap();
            assert!((told - expected).abs() < expected * 0.05, "{part}: {told}");
        }
        assert_eq!(Latency::default().quantile_s(0.5), None);
        assert_eq!(observed([u64::MAX]).quantile_s(0.5), Some(10.0), "at least that");
        let later = observed([20, 20, 9_000]);
        assert_eq!(later.since(&observed([20, 20])).quantile_s(1.0), Some(0.01));
    }
}
