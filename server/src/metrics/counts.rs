//! What the writers of streams count, and how it is counted without a cost.
//!
//! A writer counts in a plain [`Counts`] of its own while it works, and adds that to the hub's [`Tallies`]
//! when it rests. So an event that goes to a thousand readers moves each shared number once and not a
//! thousand times; and there are several sets of shared numbers, so that two threads seldom meet at one.

use super::latency::{self, Latency};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// A number that grows with every event that a reader gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Count {
    Deliveries,
    Heartbeats,
    /// What readers would have got without compression, by how they got it.
    PlainBytesAsPlain,
    PlainBytesAsFrames,
    PlainBytesAsGzip,
    /// What they got.
    SentBytesAsPlain,
    SentBytesAsFrames,
    SentBytesAsGzip,
    /// Streams whose connection takes no more for now. The one that falls as well: what is taken from it is
    /// added, wrapping around.
    Blocked,
}

const N_COUNTS: usize = Count::Blocked as usize + 1;
/// More threads than this share numbers, which only makes them slower.
const N_TALLIES: usize = 16;

/// What one writer counted since it last rested.
#[derive(Debug, Clone)]
pub(crate) struct Counts {
    counts: [u64; N_COUNTS],
    latency: Latency,
}

impl Default for Counts {
    fn default() -> Self {
        Self { counts: [0; N_COUNTS], latency: Latency::default() }
    }
}

impl Counts {
    pub(crate) fn add(&mut self, what: Count, n: u64) {
        let count = &mut self.counts[what as usize];
        *count = count.wrapping_add(n);
    }

    /// A stream whose connection was `before` full, or not, is it now, or not.
    pub(crate) fn blocked(&mut self, before: bool, now: bool) {
        self.add(Count::Blocked, u64::from(now).wrapping_sub(u64::from(before)));
    }

    /// How many connections are full right now.
    pub(crate) fn n_blocked(&self) -> u64 {
        // A stream that goes from one thread to another may be taken off in the numbers of the one and not be there
        // yet in those of the other, which were looked at before: then the sum is below zero for a moment.
        self.get(Count::Blocked).cast_signed().max(0).cast_unsigned()
    }

    pub(crate) fn latency_mut(&mut self) -> &mut Latency {
        &mut self.latency
    }

    pub(crate) fn get(&self, what: Count) -> u64 {
        self.counts[what as usize]
    }

    pub(crate) fn latency(&self) -> &Latency {
        &self.latency
    }
}

/// The shared numbers.
#[derive(Debug)]
pub(super) struct Tallies(Box<[Tally]>);

/// One set of them, on cache lines of its own.
#[derive(Debug)]
#[repr(align(128))]
struct Tally {
    counts: [AtomicU64; N_COUNTS],
    latency: [AtomicU64; latency::N_PARTS],
}

impl Tallies {
    pub(super) fn new() -> Self {
        let zero = |_| AtomicU64::new(0);
        let tally = || Tally { counts: std::array::from_fn(zero), latency: std::array::from_fn(zero) };
        Self(std::iter::repeat_with(tally).take(N_TALLIES).collect())
    }

    pub(super) fn add(&self, counts: &Counts) {
        let tally = &self.0[own_number()];
        let parts = counts.latency.parts();
        let numbers = counts.counts.iter().chain(parts).zip(tally.counts.iter().chain(&tally.latency));
        for (counted, shared) in numbers {
            if *counted != 0 {
                shared.fetch_add(*counted, Ordering::Relaxed);
            }
        }
    }

    /// All that was counted so far.
    pub(super) fn sum(&self) -> Counts {
        let mut sum = Counts::default();
        for tally in &self.0 {
            let parts = sum.latency.parts_mut();
            for (total, shared) in sum.counts.iter_mut().chain(parts).zip(tally.counts.iter().chain(&tally.latency)) {
                *total = total.wrapping_add(shared.load(Ordering::Relaxed));
            }
        }
        sum
    }
}

/// The set of numbers that this thread adds to.
fn own_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static OWN: usize = NEXT.fetch_add(1, Ordering::Relaxed) % N_TALLIES;
    }
    OWN.with(|own| *own)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_many_threads_count_adds_up() {
        let tallies = Tallies::new();
        std::thread::scope(|scope| {
            for _ in 0..2 * N_TALLIES {
                scope.spawn(|| {
                    for n in 0..1_000 {
                        let mut counts = Counts::default();
                        counts.add(Count::Deliveries, 3);
                        counts.latency_mut().observe(Duration::from_micros(n), 3);
                        counts.blocked(n % 2 == 1, n % 2 == 0);
                        tallies.add(&counts);
                    }
                });
            }
        });
        let sum = tallies.sum();
        assert_eq!(sum.get(Count::Deliveries), 2 * N_TALLIES as u64 * 3_000);
        assert_eq!(sum.latency().n_observed(), sum.get(Count::Deliveries));
        assert_eq!(sum.get(Count::Heartbeats), 0);
        assert_eq!(sum.get(Count::Blocked), 0, "each was blocked and went on");
    }

    #[test]
    fn a_look_between_two_sets_of_numbers_finds_no_fewer_than_none_blocked() {
        let tallies = Tallies::new();
        // It was blocked in the eyes of a thread whose numbers had been looked at already.
        let mut counts = Counts::default();
        counts.blocked(true, false);
        tallies.add(&counts);
        assert_eq!(tallies.sum().n_blocked(), 0);
        counts = Counts::default();
        counts.blocked(false, true);
        counts.blocked(false, true);
        tallies.add(&counts);
        assert_eq!(tallies.sum().n_blocked(), 1);
    }
}
