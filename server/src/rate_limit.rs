//! How often a client may ask: so many requests at once, and from then on at an even pace.
//!
//! A client is an address, or of IPv6 a network; whoever wants more addresses than one can have is counted
//! by larger networks once there are too many. Counting itself is the business of the `governor` crate.

use crate::client_address::ClientAddress;
use crate::problem::Problem;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use governor::clock::{Clock, MonotonicClock, Reference};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use parking_lot::Mutex;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

/// So many clients are counted one by one; some 5 MiB.
const MAX_CLIENTS: usize = 100_000;
/// How often those are forgotten who have all their requests left.
const SWEEP_INTERVAL: Duration = Duration::from_secs(10);

/// The requests of all clients.
pub(crate) struct RateLimit<C: Clock = MonotonicClock> {
    clients: RateLimiter<IpAddr, HashMapStateStore<IpAddr>, C, NoOpMiddleware<C::Instant>>,
    clock: C,
    swept_at: Mutex<C::Instant>,
}

impl RateLimit {
    /// `n_calls` at once, and as many in each `period`.
    pub(crate) fn new(n_calls: NonZeroU32, period: Duration) -> Arc<Self> {
        Arc::new(Self::with_clock(n_calls, period, MonotonicClock))
    }
}

impl<C: Clock + Clone> RateLimit<C> {
    fn with_clock(n_calls: NonZeroU32, period: Duration, clock: C) -> Self {
        let quota = Quota::with_period((period / n_calls.get()).max(Duration::from_nanos(1)));
        let quota = quota.expect("the span between two calls is more than zero").allow_burst(n_calls);
        Self {
            clients: RateLimiter::hashmap_with_clock(quota, clock.clone()),
            swept_at: Mutex::new(clock.now()),
            clock,
        }
    }

    /// Counts a request. `Err`: it is one too many, and this long until there is one more.
    fn check(&self, client: IpAddr) -> Result<(), Duration> {
        self.sweep();
        let client = if self.clients.len() < MAX_CLIENTS { client } else { wide_network(client) };
        self.clients.check_key(&client).map_err(|until| until.wait_time_from(self.clock.now()))
    }

    fn sweep(&self) {
        let now = self.clock.now();
        let mut swept_at = self.swept_at.lock();
        if now.duration_since(*swept_at) < Nanos::from(SWEEP_INTERVAL) {
            return;
        }
        *swept_at = now;
        drop(swept_at);
        self.clients.retain_recent();
    }
}

/// What a provider is given: there are so few of these that no attacker has many.
fn wide_network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits() >> 16 << 16).into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 96 << 96).into(),
    }
}

/// The middleware.
pub(crate) async fn check(State(limit): State<Arc<RateLimit>>, request: Request, next: Next) -> Response {
    let client = ClientAddress::of(request.extensions()).filter(|_| !is_watching(request.uri().path()));
    match client.map(|client| limit.check(client.network())) {
        None | Some(Ok(())) => next.run(request).await,
        Some(Err(wait)) => Problem::TooManyRequests { retry_after_s: whole_seconds(wait) }.into_response(),
    }
}

/// Whoever watches the server must not take it for ill because it looks often.
fn is_watching(path: &str) -> bool {
    path == "/metrics" || path == "/health" || path.starts_with("/health/")
}

/// Rounded up, so that a client which obeys is let in.
fn whole_seconds(wait: Duration) -> u16 {
    wait.as_nanos().div_ceil(1_000_000_000).clamp(1, u16::MAX.into()) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use governor::clock::FakeRelativeClock;

    const ADA: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    const BOB: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));

    fn limit(n_calls: u32, period_s: u64) -> (RateLimit<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        let n_calls = NonZeroU32::new(n_calls).unwrap();
        (RateLimit::with_clock(n_calls, Duration::from_secs(period_s), clock.clone()), clock)
    }

    #[test]
    fn a_client_has_all_its_calls_at_once_and_then_an_even_pace() {
        let (limit, clock) = limit(100, 60);
        assert!((0..100).all(|_| limit.check(ADA).is_ok()));
        assert_eq!(limit.check(ADA), Err(Duration::from_millis(600)));
        assert_eq!(limit.check(BOB), Ok(()), "another client");
        clock.advance(Duration::from_millis(599));
        assert_eq!(limit.check(ADA), Err(Duration::from_millis(1)), "asking costs nothing");
        clock.advance(Duration::from_millis(1));
        assert_eq!(limit.check(ADA), Ok(()));
        assert!(limit.check(ADA).is_err());
        clock.advance(Duration::from_secs(60));
        assert_eq!((0..200).filter(|_| limit.check(ADA).is_ok()).count(), 100);
    }

    #[test]
    fn addresses_without_end_are_not_remembered() {
        let (limit, clock) = limit(10, 60);
        for n in 0..200_000 {
            let _ = limit.check(Ipv4Addr::from_bits(n).into());
        }
        let n_wide = 200_000 >> 16;
        assert!(limit.clients.len() <= MAX_CLIENTS + n_wide + 1, "{}", limit.clients.len());
        clock.advance(Duration::from_secs(120));
        limit.check(ADA).unwrap();
        assert_eq!(limit.clients.len(), 1);
    }

    #[test]
    fn waiting_as_long_as_was_said_is_enough() {
        assert_eq!(whole_seconds(Duration::from_millis(1)), 1);
        assert_eq!(whole_seconds(Duration::from_millis(2_001)), 3);
        assert_eq!(whole_seconds(Duration::from_secs(100_000)), u16::MAX);
    }
}
