//! Figures out of many samples: percentiles of one run, best and median of several.

use serde::{Deserialize, Serialize};

/// How long events took from publish to read, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Percentiles {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
}

impl Percentiles {
    /// Of samples in microseconds; `None` when there are none.
    pub(crate) fn of(mut samples_us: Vec<u32>) -> Option<Self> {
        samples_us.sort_unstable();
        let ms = |per_mille| Some(f64::from(nearest_rank(&samples_us, per_mille)?) / 1_000.0);
        Some(Self { p50: ms(500)?, p99: ms(990)?, p999: ms(999)? })
    }
}

/// The smallest sample that is not below `per_mille` thousandths of all of them.
fn nearest_rank(sorted: &[u32], per_mille: usize) -> Option<u32> {
    let rank = (sorted.len() * per_mille).div_ceil(1_000);
    sorted.get(rank.saturating_sub(1)).copied()
}

/// The middle one, or between the two in the middle.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() % 2 {
        1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(*sorted.get(middle.checked_sub(1)?)?, sorted[middle])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples_that_were_really_seen() {
        let check = |samples: Vec<u32>, p50, p99, p999| {
            assert_eq!(Percentiles::of(samples), Some(Percentiles { p50, p99, p999 }));
        };
        check((1..=1_000).rev().map(|n| n * 1_000).collect(), 500.0, 990.0, 999.0);
        check((1..=10).map(|n| n * 1_000).collect(), 5.0, 10.0, 10.0);
        check(vec![2_500], 2.5, 2.5, 2.5);
        assert_eq!(Percentiles::of(Vec::new()), None);
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[7.0]), Some(7.0));
        assert_eq!(median(&[]), None);
    }
}
