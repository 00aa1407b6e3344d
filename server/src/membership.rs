//! Some topics that are being read, and who is woken when one of them moves.
//!
//! Topics with a member are not dropped when idle. A membership knows no position: one subscription
//! has its own, and a writer holds one for all of its readers of the same topics.

use crate::bell::{Listener, Place};
use crate::hub::Hub;
use crate::topics::TopicKey;
use std::sync::Arc;
use tokio::sync::Notify;
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

    /// Waits until the topics move, or begins to listen: whoever waits looks again in either case.
    pub(crate) async fn moved(&mut self, wake: &Arc<Notify>) {
        if self.places.is_empty() {
            // Only a reader that has to wait takes a place at the bells.
            self.listen(&(Arc::clone(wake) as Arc<dyn Listener>));
        } else {
            wake.notified().await;
        }
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
