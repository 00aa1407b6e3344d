//! Some topics that are being read, and who is woken when one of them moves.
//!
//! Topics with a member are not dropped when idle. A membership knows no position: one subscription
//! has its own, and a writer holds one for all of its readers of the same topics.

use crate::bell::{Listener, Place};
use crate::hub::Hub;
use crate::topics::TopicKey;
use std::sync::Arc;
use tokio::time::Instant;

/// Has entered each topic once, and leaves them all when it is dropped.
#[derive(Debug)]
pub(crate) struct Membership {
    hub: Hub,
    keys: Box<[TopicKey]>,
    /// Empty until somebody listens.
    places: Box<[Place]>,
}

impl Membership {
    /// Takes over topics that were [entered](crate::topics::Topics::enter).
    pub(crate) fn new(hub: Hub, keys: Vec<TopicKey>) -> Self {
        Self { hub, keys: keys.into(), places: Box::default() }
    }

    pub(crate) fn hub(&self) -> &Hub {
        &self.hub
    }

    pub(crate) fn keys(&self) -> &[TopicKey] {
        &self.keys
    }

    /// Wakes a listener at each event from now on. What came before is found by reading after this.
    pub(crate) fn listen(&mut self, listener: &Arc<dyn Listener>) {
        let topics = self.hub.topics().read();
        self.places = self.keys.iter().map(|key| topics.bell(*key).join(Arc::clone(listener))).collect();
    }

    pub(crate) fn listens(&self) -> bool {
        !self.places.is_empty()
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let now = Instant::now();
        let mut topics = self.hub.topics().write();
        for (key, place) in self.keys.iter().zip(&self.places) {
            topics.bell(*key).leave(*place);
        }
        for key in &self.keys {
            topics.leave(*key, now);
        }
    }
}
