//! Who wants to be woken when a topic moves.
//!
//! This is the waking side alone: what a woken reader then reads is no business of the bell. Every
//! ring is remembered until its reader looks, so a ring between a look and the wait is never lost.

use parking_lot::Mutex;
use slab::Slab;
use std::sync::Arc;
use tokio::sync::Notify;

/// The readers of one topic, to be woken together.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    readers: Mutex<Slab<Arc<Notify>>>,
}

/// A reader's place at a bell.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place(usize);

impl Bell {
    pub(crate) fn join(&self, reader: Arc<Notify>) -> Place {
        Place(self.readers.lock().insert(reader))
    }

    pub(crate) fn leave(&self, place: Place) {
        self.readers.lock().try_remove(place.0);
    }

    pub(crate) fn ring(&self) {
        for (_, reader) in self.readers.lock().iter() {
            reader.notify_one();
        }
    }
}
