//! The dashboard's stream: the hub's figures, published once a second under a topic of the hub's own, for as
//! long as somebody reads them.

use super::Snapshot;
use crate::hub::Hub;
use heartwire_protocol::{EventType, Topic};
use std::time::Duration;
use tokio::time::MissedTickBehavior;

const INTERVAL: Duration = Duration::from_secs(1);

/// Starts it. It ends with the runtime.
pub(crate) fn start(hub: Hub) {
    tokio::spawn(run(hub));
}

async fn run(hub: Hub) {
    let (topic, event_type) = (Topic::stats(), EventType::parse("stats").expect("a plain word"));
    let mut interval = tokio::time::interval(INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // Each tells of the latency since the last one: a chart of all that ever was would not move.
    let mut before = hub.metrics().latency();
    loop {
        interval.tick().await;
        if !hub.topics().read().is_read(&topic) {
            continue;
        }
        let now = hub.metrics().latency();
        let snapshot = Snapshot::take(&hub, Some(&before));
        before = now;
        let published = match serde_json::to_string(&snapshot) {
            Ok(json) => hub.publish(&topic, &event_type, &json).await.map_err(|err| err.to_string()),
            Err(err) => Err(err.to_string()),
        };
        if let Err(err) = published {
            tracing::debug!(err, "the hub's own figures could not be published");
        }
    }
}
