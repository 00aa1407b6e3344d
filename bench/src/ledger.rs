//! Which events have reached how many readers, and how long they took.
//!
//! Counted by event, not by reader: it is enough to know that an event has come as often as there
//! are readers, since no stamp comes twice from a server that keeps its promise. One that does not
//! would show as more deliveries than were due.

use crate::stamp::Stamp;

/// The books of one crowd.
#[derive(Debug)]
pub(crate) struct Ledger {
    n_readers: usize,
    /// Of each event by its number: how many readers have it.
    arrivals: Vec<u32>,
    n_complete: usize,
    /// Since the books were last opened.
    delivered: u64,
    /// Events from this number on count; the ones before were a warm-up.
    counted_from: u32,
    latencies_us: Vec<u32>,
}

impl Ledger {
    pub(crate) fn new(n_readers: usize) -> Self {
        let latencies_us = Vec::new();
        Self { n_readers, arrivals: Vec::new(), n_complete: 0, delivered: 0, counted_from: 0, latencies_us }
    }

    /// The number of the next event, which is thereby on its way.
    pub(crate) fn publish(&mut self) -> u32 {
        self.arrivals.push(0);
        self.arrivals.len() as u32 - 1
    }

    /// An event has reached a reader.
    pub(crate) fn arrive(&mut self, stamp: Stamp, now_us: u64) {
        let Some(arrivals) = self.arrivals.get_mut(stamp.number as usize) else { return };
        *arrivals += 1;
        if *arrivals as usize == self.n_readers {
            self.n_complete += 1;
        }
        if stamp.number >= self.counted_from {
            self.delivered += 1;
            self.latencies_us.push(u32::try_from(now_us.saturating_sub(stamp.at_us)).unwrap_or(u32::MAX));
        }
    }

    /// Opens new books: only events that are published from now on count.
    pub(crate) fn open(&mut self) {
        self.counted_from = self.arrivals.len() as u32;
        self.delivered = 0;
        self.latencies_us.clear();
    }

    /// How many events have not reached every reader.
    pub(crate) fn in_flight(&self) -> usize {
        self.arrivals.len() - self.n_complete
    }

    /// Gives up on what is on its way: it is no longer in flight.
    pub(crate) fn write_off(&mut self) {
        self.n_complete = self.arrivals.len();
        // One that comes after all must not complete twice.
        self.arrivals.fill(u32::MAX / 2);
    }

    /// Events since the books were opened, times readers.
    pub(crate) fn due(&self) -> u64 {
        (self.arrivals.len() as u64 - u64::from(self.counted_from)) * self.n_readers as u64
    }

    pub(crate) fn delivered(&self) -> u64 {
        self.delivered
    }

    pub(crate) fn take_latencies_us(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.latencies_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_in_flight_until_every_reader_has_it() {
        let mut ledger = Ledger::new(2);
        let stamps = [ledger.publish(), ledger.publish()].map(|number| Stamp { number, at_us: 10 });
        for (stamp, in_flight) in [(stamps[1], 2), (stamps[1], 1), (stamps[0], 1), (stamps[0], 0)] {
            ledger.arrive(stamp, 15);
            assert_eq!(ledger.in_flight(), in_flight);
        }
        assert_eq!((ledger.due(), ledger.delivered()), (4, 4));
        assert_eq!(ledger.take_latencies_us(), [5; 4]);
    }

    #[test]
    fn the_warm_up_does_not_count_even_when_it_arrives_late() {
        let mut ledger = Ledger::new(1);
        let early = ledger.publish();
        ledger.open();
        let counted = ledger.publish();
        ledger.arrive(Stamp { number: early, at_us: 0 }, 1);
        assert_eq!((ledger.due(), ledger.delivered(), ledger.in_flight()), (1, 0, 1));
        ledger.arrive(Stamp { number: counted, at_us: 0 }, 1);
        assert_eq!((ledger.due(), ledger.delivered(), ledger.in_flight()), (1, 1, 0));
    }

    #[test]
    fn what_was_written_off_may_still_arrive() {
        let mut ledger = Ledger::new(1);
        let number = ledger.publish();
        ledger.write_off();
        ledger.arrive(Stamp { number, at_us: 0 }, 1);
        assert_eq!(ledger.in_flight(), 0);
    }
}
