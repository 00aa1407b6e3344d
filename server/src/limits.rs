//! Permits: how many streams may be open.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A number of permits, and how many are out.
#[derive(Debug)]
pub(crate) struct Permits {
    max: Option<usize>,
    held: AtomicUsize,
}

/// Leave to hold one stream open. Dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Permit(Arc<Permits>);

impl Permits {
    /// `None`: as many as are asked for.
    pub(crate) fn new(max: Option<usize>) -> Arc<Self> {
        Arc::new(Self { max, held: AtomicUsize::new(0) })
    }

    /// `None` when all are out.
    pub(crate) fn acquire(self: &Arc<Self>) -> Option<Permit> {
        let max = self.max.unwrap_or(usize::MAX);
        let one_more = |held: usize| (held < max).then(|| held + 1);
        self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        Some(Permit(Arc::clone(self)))
    }

    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    pub(crate) fn are_all_held(&self) -> bool {
        self.max.is_some_and(|max| self.held() >= max)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.held.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permit_comes_back_when_it_is_dropped() {
        let permits = Permits::new(Some(2));
        let (first, _second) = (permits.acquire(), permits.acquire());
        assert!(permits.acquire().is_none() && permits.are_all_held());
        assert_eq!(permits.held(), 2);
        drop(first);
        assert!(!permits.are_all_held());
        assert!(permits.acquire().is_some());
    }

    #[test]
    fn without_a_limit_there_is_always_one_more() {
        let permits = Permits::new(None);
        let held: Vec<_> = (0..1_000).map(|_| permits.acquire()).collect();
        assert!(held.iter().all(Option::is_some));
    }
}
