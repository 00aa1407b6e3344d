//! What every log back end must keep. A back end's own tests call [`run`].

use super::{Log, LoggedEvent, NewEvent, Tail};
use heartwire_protocol::{Cursor, Data, EventType, Topic};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;

/// Runs every check, each on a new log that `open` makes.
pub(crate) async fn run<L: Log>(open: impl Fn() -> Arc<L>) {
    what_is_appended_comes_back_once_and_in_order(open()).await;
    a_late_listener_gets_the_history_first(open()).await;
    a_batch_stays_together(open()).await;
    an_empty_batch_is_nothing(open()).await;
    concurrent_publishers_share_one_order(open()).await;
}

async fn what_is_appended_comes_back_once_and_in_order(log: Arc<impl Log>) {
    let listener = Listener::attach(&*log);
    let first = log.append(vec![event("a", "1")]).await.unwrap();
    let second = log.append(vec![event("b", "2"), event("a", "3")]).await.unwrap();
    listener.wait_for(3).await;

    assert_eq!(first, [cursor(&*log, 1)]);
    assert_eq!(second, [cursor(&*log, 2), cursor(&*log, 3)]);
    assert_eq!(listener.heard(), [(1, "a", "1"), (2, "b", "2"), (3, "a", "3")].map(owned));
}

async fn a_late_listener_gets_the_history_first(log: Arc<impl Log>) {
    log.append(vec![event("a", "before")]).await.unwrap();
    let listener = Listener::attach(&*log);
    log.append(vec![event("a", "after")]).await.unwrap();
    listener.wait_for(2).await;

    assert_eq!(listener.began_after(), Some(0));
    assert_eq!(listener.heard(), [(1, "a", "before"), (2, "a", "after")].map(owned));
}

async fn a_batch_stays_together(log: Arc<impl Log>) {
    const PUBLISHERS: usize = 4;
    const BATCH: usize = 50;
    let listener = Listener::attach(&*log);
    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|publisher| {
            let log = Arc::clone(&log);
            let batch = vec![event(&format!("t{publisher}"), "x"); BATCH];
            tokio::spawn(async move { log.append(batch).await.unwrap() })
        })
        .collect();
    for publisher in publishers {
        let cursors = publisher.await.unwrap();
        let sequences: Vec<u64> = cursors.iter().map(|cursor| cursor.sequence).collect();
        assert!(sequences.windows(2).all(|pair| pair[1] == pair[0] + 1), "{sequences:?}");
    }
    listener.wait_for(PUBLISHERS * BATCH).await;
    for batch in listener.heard().chunks(BATCH) {
        assert!(batch.iter().all(|(_, topic, _)| *topic == batch[0].1));
    }
}

async fn an_empty_batch_is_nothing(log: Arc<impl Log>) {
    assert_eq!(log.append(Vec::new()).await.unwrap(), []);
    let cursors = log.append(vec![event("a", "1")]).await.unwrap();
    assert_eq!(cursors, [cursor(&*log, 1)]);
}

async fn concurrent_publishers_share_one_order(log: Arc<impl Log>) {
    const PUBLISHERS: u64 = 8;
    const EVENTS: u64 = 200;
    let listener = Listener::attach(&*log);
    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|publisher| {
            let log = Arc::clone(&log);
            tokio::spawn(async move {
                let mut last = 0;
                for n in 0..EVENTS {
                    let cursors = log.append(vec![event(&format!("t{publisher}"), &n.to_string())]).await.unwrap();
                    assert!(cursors[0].sequence > last, "one publisher's events keep their order");
                    last = cursors[0].sequence;
                }
            })
        })
        .collect();
    for publisher in publishers {
        publisher.await.unwrap();
    }
    listener.wait_for((PUBLISHERS * EVENTS) as usize).await;
    let sequences: Vec<u64> = listener.heard().iter().map(|(sequence, ..)| *sequence).collect();
    assert!(sequences.iter().copied().eq(1..=PUBLISHERS * EVENTS), "each once, in order, without a hole");
}

/// A tail that remembers what it heard.
#[derive(Default)]
struct Listener {
    began_after: Mutex<Option<u64>>,
    heard: Mutex<Vec<LoggedEvent>>,
    more: tokio::sync::Notify,
}

impl Listener {
    fn attach(log: &dyn Log) -> Arc<Self> {
        let listener = Arc::new(Self::default());
        log.attach(Arc::clone(&listener) as Arc<dyn Tail>);
        listener
    }

    fn began_after(&self) -> Option<u64> {
        *self.began_after.lock()
    }

    fn heard(&self) -> Vec<(u64, String, String)> {
        let heard = self.heard.lock();
        heard.iter().map(|e| owned((e.sequence, e.event.topic.as_str(), e.event.data.as_str()))).collect()
    }

    async fn wait_for(&self, n_events: usize) {
        let enough = async {
            while self.heard.lock().len() < n_events {
                self.more.notified().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), enough).await.expect("the tail delivers what was appended");
    }
}

impl Tail for Listener {
    fn begin(&self, sequence: u64) {
        assert_eq!(self.began_after.lock().replace(sequence), None, "a log begins once");
    }

    fn deliver(&self, events: Vec<LoggedEvent>) {
        assert!(self.began_after.lock().is_some(), "a log begins before it delivers");
        self.heard.lock().extend(events);
        self.more.notify_one();
    }
}

fn event(topic: &str, data: &str) -> NewEvent {
    NewEvent::new(Topic::parse(topic).unwrap(), EventType::default(), Data::new(data))
}

fn cursor(log: &dyn Log, sequence: u64) -> Cursor {
    Cursor { epoch: log.epoch(), sequence }
}

fn owned((sequence, topic, data): (u64, &str, &str)) -> (u64, String, String) {
    (sequence, topic.to_owned(), data.to_owned())
}
