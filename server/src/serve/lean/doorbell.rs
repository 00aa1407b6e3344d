//! What is left at a shard's door while it works: new streams, moved groups, the word to end.
//!
//! However much is left, the shard is woken once until it looks.

use super::Arrival;
use crate::bell::Listener;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// When a shard is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) enum Ending {
    #[default]
    NotYet,
    /// When its last stream has ended.
    WhenEmpty,
    AtOnce,
}

/// What was left since the last look.
#[derive(Default)]
pub(super) struct Inbox {
    pub(super) arrivals: Vec<Arrival>,
    /// The groups whose topics moved.
    pub(super) moved: Vec<usize>,
    pub(super) ending: Ending,
}

pub(super) struct Doorbell {
    waker: mio::Waker,
    door: Mutex<Door>,
    /// The streams that the shard has, or soon will.
    n_lines: AtomicUsize,
}

#[derive(Default)]
struct Door {
    inbox: Inbox,
    rung: bool,
    /// The shard has ended, and nobody ever looks again.
    locked: bool,
}

impl Doorbell {
    pub(super) fn new(waker: mio::Waker) -> Self {
        Self { waker, door: Mutex::default(), n_lines: AtomicUsize::new(0) }
    }

    pub(super) fn hand_in(&self, arrival: Arrival) {
        self.n_lines.fetch_add(1, Ordering::Relaxed);
        self.leave(|inbox| inbox.arrivals.push(arrival));
    }

    pub(super) fn end(&self, ending: Ending) {
        self.leave(|inbox| inbox.ending = inbox.ending.max(ending));
    }

    pub(super) fn n_lines(&self) -> usize {
        self.n_lines.load(Ordering::Relaxed)
    }

    /// The shard has one stream less.
    pub(super) fn line_ended(&self) {
        self.n_lines.fetch_sub(1, Ordering::Relaxed);
    }

    /// Takes what was left.
    pub(super) fn look(&self) -> Inbox {
        let mut door = self.door.lock();
        door.rung = false;
        std::mem::take(&mut door.inbox)
    }

    /// Whatever is left from now on is dropped.
    pub(super) fn lock(&self) {
        // Streams go to the shard with the fewest, and that must never be this one again.
        self.n_lines.store(usize::MAX / 2, Ordering::Relaxed);
        let mut door = self.door.lock();
        door.locked = true;
        let inbox = std::mem::take(&mut door.inbox);
        // Dropping a stream takes the hub's locks, and a bell rings at this door under one of them.
        drop(door);
        drop(inbox);
    }

    fn leave(&self, put: impl FnOnce(&mut Inbox)) {
        let mut door = self.door.lock();
        if door.locked {
            return;
        }
        put(&mut door.inbox);
        let is_first = !std::mem::replace(&mut door.rung, true);
        drop(door);
        if is_first {
            wake(&self.waker);
        }
    }
}

fn wake(waker: &mio::Waker) {
    if let Err(err) = waker.wake() {
        // Out of memory in the kernel. The shard looks at its door at its next timer, too.
        tracing::warn!(%err, "a writer of streams cannot be woken");
    }
}

/// A group's place at the bells of its topics.
pub(super) struct GroupBell {
    doorbell: Arc<Doorbell>,
    group: usize,
    rung: AtomicBool,
}

impl GroupBell {
    pub(super) fn new(doorbell: Arc<Doorbell>, group: usize) -> Self {
        Self { doorbell, group, rung: AtomicBool::new(false) }
    }

    /// From here on the next event rings again: to be called before the reading.
    pub(super) fn heard(&self) {
        // The event whose ring this takes back was appended before it: acquiring makes it visible.
        self.rung.swap(false, Ordering::AcqRel);
    }
}

impl Listener for GroupBell {
    fn wake(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            self.doorbell.leave(|inbox| inbox.moved.push(self.group));
        }
    }
}
