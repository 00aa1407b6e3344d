//! Who leaves, how, and for how long: drawn from a seed, so that a run can be told again.

use std::time::Duration;

use fastrand::Rng;

/// What becomes of a reader whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    /// Its socket is reset, with whatever is in it: a crash, a pulled plug behind a NAT.
    Reset,
    /// Its socket is closed; what it had not read yet turns that into a reset.
    Close,
    /// It says that it will send no more, and reads until the server closes, too.
    Part,
    /// It stops reading for a while, and goes on on the same stream if the server still has it.
    FallDeaf(Duration),
}

/// The dice.
pub(super) struct Churn {
    rng: Rng,
    /// How far back the history reaches. Some readers stay away or deaf for longer than that.
    history: Duration,
}

impl Churn {
    pub(super) fn new(seed: u64, history: Duration) -> Self {
        Self { rng: Rng::with_seed(seed), history }
    }

    /// One of `n` readers.
    pub(super) fn one_of(&mut self, n: usize) -> usize {
        self.rng.usize(..n)
    }

    pub(super) fn next_move(&mut self) -> Move {
        match self.rng.u8(..100) {
            0..30 => Move::Reset,
            30..50 => Move::Close,
            50..80 => Move::Part,
            _ => Move::FallDeaf(self.span()),
        }
    }

    /// How long a reader stays away.
    pub(super) fn absence(&mut self) -> Duration {
        self.span()
    }

    /// Whether it comes back with its resume point, or as if it were new.
    pub(super) fn resumes(&mut self) -> bool {
        self.rng.u8(..10) < 7
    }

    /// Mostly up to a quarter of the history, one time in twenty beyond it.
    fn span(&mut self) -> Duration {
        match self.rng.u8(..20) {
            0 => self.history.mul_f64(1.0 + self.rng.f64()),
            1..5 => self.history.mul_f64(self.rng.f64()),
            _ => self.history.mul_f64(self.rng.f64() / 4.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_move_comes_up_and_the_seed_decides_which() {
        let moves = |seed| {
            let mut churn = Churn::new(seed, Duration::from_secs(20));
            [0; 200].map(|_| churn.next_move())
        };
        let drawn = moves(1);
        assert_eq!(drawn, moves(1));
        assert_ne!(drawn, moves(2));
        for kind in [Move::Reset, Move::Close, Move::Part] {
            assert!(drawn.contains(&kind), "{kind:?}");
        }
        assert!(drawn.iter().any(|kind| matches!(kind, Move::FallDeaf(span) if *span > Duration::from_secs(20))));
    }
}
