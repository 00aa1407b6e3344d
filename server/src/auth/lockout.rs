//! Addresses that failed too often to say who they are.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;
use tokio::time::Instant;

/// So many addresses are remembered. Whoever has more can try a little longer; memory stays what it is.
const MAX_ADDRESSES: usize = 10_000;

pub(super) struct Lockout {
    max_failures: usize,
    window: Duration,
    duration: Duration,
    suspects: Mutex<HashMap<IpAddr, Suspect>>,
}

/// Somebody who failed not long ago.
struct Suspect {
    n_failures: usize,
    /// When its failures are forgotten, or it is let in again.
    until: Instant,
    is_locked_out: bool,
}

impl Lockout {
    pub(super) fn new(max_failures: usize, window: Duration, duration: Duration) -> Self {
        Self { max_failures, window, duration, suspects: Mutex::default() }
    }

    /// For how long an address is still locked out; `None` when it is not.
    pub(super) fn remaining(&self, address: IpAddr) -> Option<Duration> {
        let suspects = self.suspects.lock();
        let suspect = suspects.get(&address).filter(|suspect| suspect.is_locked_out)?;
        let remaining = suspect.until.saturating_duration_since(Instant::now());
        (!remaining.is_zero()).then_some(remaining)
    }

    /// An address failed. Returns whether that locks it out.
    pub(super) fn failed(&self, address: IpAddr) -> bool {
        let now = Instant::now();
        let mut suspects = self.suspects.lock();
        if suspects.len() >= MAX_ADDRESSES && !suspects.contains_key(&address) {
            make_room(&mut suspects, now);
        }
        let fresh = || Suspect { n_failures: 0, until: now + self.window, is_locked_out: false };
        let suspect = suspects.entry(address).or_insert_with(fresh);
        if suspect.until <= now {
            *suspect = fresh();
        }
        suspect.n_failures += 1;
        if suspect.is_locked_out || suspect.n_failures < self.max_failures {
            return false;
        }
        suspect.is_locked_out = true;
        suspect.until = now + self.duration;
        true
    }
}

/// Forgets whoever is forgiven; when nobody is, the one who will be first.
fn make_room(suspects: &mut HashMap<IpAddr, Suspect>, now: Instant) {
    suspects.retain(|_, suspect| suspect.until > now);
    if suspects.len() >= MAX_ADDRESSES
        && let Some(first) = suspects.iter().min_by_key(|(_, suspect)| suspect.until).map(|(address, _)| *address)
    {
        suspects.remove(&first);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(60);
    const DURATION: Duration = Duration::from_secs(300);

    fn lockout() -> Lockout {
        Lockout::new(3, WINDOW, DURATION)
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_fails_too_often_is_locked_out_for_a_while() {
        let (lockout, bad) = (lockout(), address("192.0.2.1"));
        assert!(!lockout.failed(bad) && !lockout.failed(bad));
        assert_eq!(lockout.remaining(bad), None);
        assert!(lockout.failed(bad));
        assert_eq!(lockout.remaining(bad), Some(DURATION));
        assert_eq!(lockout.remaining(address("192.0.2.2")), None);
        assert!(!lockout.failed(bad), "what it tries while it is locked out changes nothing");
        tokio::time::advance(DURATION - Duration::from_secs(1)).await;
        assert_eq!(lockout.remaining(bad), Some(Duration::from_secs(1)));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(lockout.remaining(bad), None);
        assert!(!lockout.failed(bad), "it begins afresh");
    }

    #[tokio::test(start_paused = true)]
    async fn failures_are_forgotten() {
        let (lockout, clumsy) = (lockout(), address("192.0.2.1"));
        for _ in 0..5 {
            assert!(!lockout.failed(clumsy) && !lockout.failed(clumsy));
            tokio::time::advance(WINDOW).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn memory_stays_what_it_is_whoever_fails() {
        let (lockout, worst) = (lockout(), address("192.0.2.1"));
        for _ in 0..3 {
            lockout.failed(worst);
        }
        for n in 0..MAX_ADDRESSES as u32 + 500 {
            lockout.failed(IpAddr::V4((0x0a00_0000 + n).into()));
        }
        assert_eq!(lockout.suspects.lock().len(), MAX_ADDRESSES);
        assert!(lockout.remaining(worst).is_some(), "who is locked out stays so");
    }
}
