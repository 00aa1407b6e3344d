//! Many publishers and readers at once.

mod common;

use common::{hub, topic};
use heartwire::{Delivery, EventType, HubConfig, Resume};

const PUBLISHERS: usize = 8;
const EVENTS: usize = 1_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_reader_gets_every_event_once_and_in_order() {
    let config = HubConfig { max_history_per_topic: EVENTS, max_queue_size: None, ..HubConfig::default() };
    let hub = hub(config);
    let topics: Vec<_> = (0..PUBLISHERS).map(|n| topic(&n.to_string())).collect();

    // A reader of each topic, and readers of all of them from three points: live, earliest, a cursor.
    let mut readers = Vec::new();
    for n in 0..PUBLISHERS {
        readers.push((1, hub.subscribe(&topics[n..=n], Resume::Live)));
    }
    for resume in [Resume::Live, Resume::Earliest, Resume::After(hub.head())] {
        readers.push((PUBLISHERS, hub.subscribe(&topics, resume)));
    }
    let readers: Vec<_> = readers
        .into_iter()
        .map(|(n_topics, mut subscription)| {
            tokio::spawn(async move {
                let mut sequences = Vec::new();
                let mut last_of_topic = std::collections::HashMap::new();
                while sequences.len() < n_topics * EVENTS {
                    let Delivery::Events(events) = subscription.next().await else { panic!("nobody lags here") };
                    for event in events {
                        let n: usize = event.data().as_str().parse().unwrap();
                        let before = last_of_topic.insert(event.topic().clone(), n);
                        assert_eq!(before.map_or(0, |before| before + 1), n, "each publisher's events in its order");
                        sequences.push(event.cursor().sequence);
                    }
                    assert!(subscription.cursor().sequence >= *sequences.last().unwrap());
                }
                assert!(sequences.windows(2).all(|pair| pair[0] < pair[1]), "strictly increasing");
                sequences.len()
            })
        })
        .collect();

    let publishers: Vec<_> = topics
        .into_iter()
        .map(|topic| {
            let hub = hub.clone();
            tokio::spawn(async move {
                for n in 0..EVENTS {
                    hub.publish(&topic, &EventType::default(), &n.to_string()).await.unwrap();
                }
            })
        })
        .collect();
    for publisher in publishers {
        publisher.await.unwrap();
    }
    let mut n_received = 0;
    for reader in readers {
        n_received += reader.await.unwrap();
    }
    assert_eq!(n_received, PUBLISHERS * EVENTS + 3 * PUBLISHERS * EVENTS);
    assert_eq!(hub.head().sequence, (PUBLISHERS * EVENTS) as u64);
}
