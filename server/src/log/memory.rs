//! The log in the memory of one process.
//!
//! It owns the sequence, and no event for longer than it takes to hand it on: the recent part lives
//! in the hub, and a second copy in here would only cost memory.

use super::{BoxFuture, Log, LogError, LoggedEvent, NewEvent, Tail};
use crate::environment;
use heartwire_protocol::{Cursor, Epoch};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;

/// A log that lives and dies with its process. Each one is an epoch of its own.
pub struct MemoryLog {
    epoch: Epoch,
    end: Mutex<End>,
}

/// The end at which the log grows.
struct End {
    head: u64,
    listener: Listener,
}

enum Listener {
    /// Nobody listens yet: what is appended waits.
    None(Vec<LoggedEvent>),
    Attached(Arc<dyn Tail>),
}

impl MemoryLog {
    /// Begins a new epoch, with a name drawn at random.
    #[must_use]
    pub fn new() -> Self {
        Self::with_epoch(Epoch(environment::random()))
    }

    /// Begins an epoch with a name of the caller's choice, for tests. Two epochs of the same name
    /// would make an old cursor look like a new one.
    #[must_use]
    pub fn with_epoch(epoch: Epoch) -> Self {
        Self { epoch, end: Mutex::new(End { head: 0, listener: Listener::None(Vec::new()) }) }
    }

    fn append_now(&self, events: Vec<NewEvent>) -> Vec<Cursor> {
        // Numbering and delivery are one step under this lock: nobody can see 8 before 7.
        let mut end = self.end.lock();
        let first = end.head + 1;
        let logged: Vec<LoggedEvent> = events
            .into_iter()
            .zip(first..)
            .map(|(event, sequence)| LoggedEvent { sequence, age: Duration::ZERO, event })
            .collect();
        end.head += logged.len() as u64;
        let cursors = (first..=end.head).map(|sequence| Cursor { epoch: self.epoch, sequence }).collect();
        match &mut end.listener {
            Listener::None(waiting) => waiting.extend(logged),
            Listener::Attached(tail) => tail.deliver(logged),
        }
        cursors
    }
}

impl Default for MemoryLog {
    fn default() -> Self {
        Self::new()
    }
}

impl Log for MemoryLog {
    fn epoch(&self) -> Epoch {
        self.epoch
    }

    fn append(&self, events: Vec<NewEvent>) -> BoxFuture<'_, Result<Vec<Cursor>, LogError>> {
        // In the future and not before it: a publish that is dropped unpolled must publish nothing.
        Box::pin(async move { Ok(self.append_now(events)) })
    }

    fn attach(&self, tail: Arc<dyn Tail>) {
        let mut end = self.end.lock();
        match std::mem::replace(&mut end.listener, Listener::Attached(Arc::clone(&tail))) {
            Listener::None(waiting) => {
                tail.begin(0);
                tail.deliver(waiting);
            }
            // The first listener had the history, and it is with that one.
            Listener::Attached(_) => tail.begin(end.head),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn keeps_what_every_log_promises() {
        crate::log::suite::run(|| Arc::new(MemoryLog::new())).await;
    }

    #[test]
    fn each_one_is_an_epoch_of_its_own() {
        assert_ne!(MemoryLog::new().epoch(), MemoryLog::new().epoch());
    }
}
