//! Moments without a clock.
//!
//! The caller owns the clock: `performance.now()` in a browser, `Instant` in a server, a plain
//! number in a test. All of them become a [`Moment`] here.

use core::ops::{Add, Sub};
use core::time::Duration;

/// A point on the caller's monotonic clock, as the time since an origin that the caller chose.
///
/// ```
/// use core::time::Duration;
/// use heartwire_protocol::Moment;
///
/// let sent = Moment::from_millis(1_000);
/// let heard = sent + Duration::from_millis(30);
/// assert_eq!(heard - sent, Duration::from_millis(30));
/// assert_eq!(sent - heard, Duration::ZERO, "a difference is never negative");
/// ```
/// It is kept in whole microseconds: one number is less to compare than the two of a `Duration`, of which a page
/// would download the difference many times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Moment {
    since_origin_us: u64,
}

impl Moment {
    /// The moment that lies `since_origin` after the caller's origin.
    #[must_use]
    pub const fn new(since_origin: Duration) -> Self {
        Self { since_origin_us: us(since_origin) }
    }

    /// The moment that lies so many milliseconds after the caller's origin.
    #[must_use]
    pub const fn from_millis(since_origin: u64) -> Self {
        Self { since_origin_us: since_origin.saturating_mul(1_000) }
    }

    /// The same in whole milliseconds.
    pub(crate) const fn since_origin_ms(self) -> u64 {
        self.since_origin_us / 1_000
    }

    /// The time since the caller's origin.
    #[must_use]
    pub const fn since_origin(self) -> Duration {
        Duration::from_micros(self.since_origin_us)
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    /// Saturates: a deadline that is too far away to count is simply never reached.
    fn add(self, span: Duration) -> Self {
        Self { since_origin_us: self.since_origin_us.saturating_add(us(span)) }
    }
}

impl Sub for Moment {
    type Output = Duration;

    /// Saturates at zero: a clock that was set back makes things late, never broken.
    fn sub(self, earlier: Self) -> Duration {
        Duration::from_micros(self.since_origin_us.saturating_sub(earlier.since_origin_us))
    }
}

/// A span in whole microseconds. One that is too long to count is simply very long.
const fn us(span: Duration) -> u64 {
    span.as_secs().saturating_mul(1_000_000).saturating_add(span.subsec_micros() as u64)
}

/// A part of a span, from nothing at 0 to all of it at 1, in whole microseconds. `Duration::mul_f64` is
/// exact for any number, and takes half a kilobyte of a page's download for that.
pub(crate) fn part(span: Duration, of_one: f64) -> Duration {
    Duration::from_micros((span.as_secs_f64() * of_one * 1e6) as u64)
}
