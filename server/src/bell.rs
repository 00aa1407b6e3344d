//! Who wants to be woken when a topic moves.
//!
//! This is the waking side alone: what a woken reader then reads is no business of the bell. Every
//! ring is remembered until its listener looks, so a ring between a look and the wait is never lost.

use parking_lot::Mutex;
use slab::Slab;
use std::sync::Arc;

/// Somebody who is woken: one task, or a writer on behalf of many readers.
pub(crate) trait Listener: Send + Sync {
    /// A topic has moved. Returns at once.
    fn wake(&self);
}

impl Listener for tokio::sync::Notify {
    fn wake(&self) {
        self.notify_one();
    }
}

/// The listeners of one topic, to be woken together.
#[derive(Default)]
pub(crate) struct Bell {
    listeners: Mutex<Slab<Arc<dyn Listener>>>,
}

/// A listener's place at a bell.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place(usize);

impl Bell {
    pub(crate) fn join(&self, listener: Arc<dyn Listener>) -> Place {
        Place(self.listeners.lock().insert(listener))
    }

    pub(crate) fn leave(&self, place: Place) {
        self.listeners.lock().try_remove(place.0);
    }

    pub(crate) fn ring(&self) {
        for (_, listener) in self.listeners.lock().iter() {
            listener.wake();
        }
    }
}

impl std::fmt::Debug for Bell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bell").finish_non_exhaustive()
    }
}
