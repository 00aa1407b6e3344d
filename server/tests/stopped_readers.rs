//! A thousand readers of which a tenth have stopped reading, by each policy for slow readers and in
//! both lanes: the others get every event in the meantime, the hub holds nothing for those who have
//! stopped, and these get what the policy says when they read again.
//!
//! Both ends are in this process, on real sockets with small buffers. Nothing here is a matter of time:
//! each burst waits until all who read have it.

// To clippy, a story of a test is no test.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Lane, Server, in_both_lanes, topic};
use heartwire::log::NewEvent;
use heartwire::{Data, EventKey, EventType, HubConfig, SlowReaders};
use std::collections::HashSet;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Mutex;

in_both_lanes! {
    stopped_readers_are_told_to_resume
    stopped_readers_skip_to_the_head
    stopped_readers_get_the_newest_of_each_key
}

const READERS: usize = 1_000;
const STOPPED: usize = READERS / 10;
/// What the kernel may hold on the way to one that stops, at each end.
const SOCKET_BYTES: u32 = 8 * 1024;
/// What fills the sockets of those who have stopped, event by event.
const FILLING_EVENT_BYTES: usize = 6_000;
/// So many events then leave them far behind, in bursts that nobody else falls behind with.
const BURSTS: (usize, usize) = (6, 80);
const BURST_EVENT_BYTES: usize = 600;
const MAX_BEHIND: usize = 100;
/// Less than there is in the bursts: a part of what is missed is gone for good.
const KEPT: usize = 300;
const KEYS: usize = 97;
/// Far less than what is published while they have stopped, for each of them.
const GROWTH_BYTES: usize = 8 * 1024 * 1024;

async fn stopped_readers_are_told_to_resume(lane: Lane) {
    check(lane, SlowReaders::Close).await;
}

async fn stopped_readers_skip_to_the_head(lane: Lane) {
    check(lane, SlowReaders::Skip).await;
}

async fn stopped_readers_get_the_newest_of_each_key(lane: Lane) {
    check(lane, SlowReaders::Newest).await;
}

async fn check(lane: Lane, policy: SlowReaders) {
    /// They share the process's files and its memory, which is measured.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());
    let _turn = ONE_AT_A_TIME.lock().await;
    let story = tell(lane, policy);
    tokio::time::timeout(Duration::from_secs(120), story).await.expect("everybody gets what there is");
}

async fn tell(lane: Lane, policy: SlowReaders) {
    let config = HubConfig {
        slow_readers: policy,
        max_queue_size: Some(MAX_BEHIND),
        max_history_per_topic: KEPT,
        heartbeat_interval: None,
        // However long it takes until they read again.
        max_subscriber_idle_time: None,
        ..HubConfig::default()
    };
    #[cfg(unix)]
    rlimit::increase_nofile_limit(3 * READERS as u64).unwrap();
    let listener = TcpSocket::new_v4().unwrap();
    // Accepted sockets are made after the one that listens.
    listener.set_send_buffer_size(SOCKET_BYTES).unwrap();
    listener.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let server = Server::start_on(listener.listen(4_096).unwrap(), lane, config, |router| router).await;
    // Every tenth, so that they sit among the others.
    let (mut stopped, mut reading) = (Vec::new(), Vec::new());
    for n in 0..READERS {
        let will_stop = n % (READERS / STOPPED) == 0;
        let readers = if will_stop { &mut stopped } else { &mut reading };
        readers.push(Reader::open(&server, "", will_stop).await);
    }
    let mut published = Published { server: &server, events: Vec::new() };
    // Whoever has had an event has caught up, and can then be slow.
    let first = published.publish(1, 1).await;
    for reader in reading.iter_mut().chain(&mut stopped) {
        reader.reads(&first).await;
    }

    let n_filling = match lane {
        // hyper takes 16 pieces in advance for each.
        Lane::Plain => 30,
        Lane::Lean => 10,
    };
    for _ in 0..n_filling {
        let bytes = published.publish(1, FILLING_EVENT_BYTES).await;
        for reader in &mut reading {
            reader.reads(&bytes).await;
        }
    }
    let memory_before = memory_bytes();
    for _ in 0..BURSTS.0 {
        let bytes = published.publish(BURSTS.1, BURST_EVENT_BYTES).await;
        for reader in &mut reading {
            reader.reads(&bytes).await;
        }
    }
    assert_eq!(server.hub.active_connections(), READERS, "nobody is given up");
    let growth = memory_bytes().saturating_sub(memory_before);
    assert!(growth < GROWTH_BYTES, "{growth} bytes more, for {STOPPED} who have stopped");

    for reader in &mut stopped {
        reader.is_slow(&published, policy).await;
    }
    let last = published.publish(1, 1).await;
    for reader in reading.iter_mut().chain(&mut stopped) {
        reader.reads(&last).await;
    }
}

/// What was published, as it looks on the wire.
struct Published<'a> {
    server: &'a Server,
    events: Vec<String>,
}

impl Published<'_> {
    /// Publishes some events in one step. Returns their bytes.
    async fn publish(&mut self, n_events: usize, payload_bytes: usize) -> Vec<u8> {
        let first = self.events.len();
        let mut events = Vec::new();
        for index in first..first + n_events {
            let data = "x".repeat(payload_bytes);
            self.events.push(format!("id: abc-{}\nevent: price\ndata: {data}\n\n", index + 1));
            let event = NewEvent::new(topic("a"), EventType::parse("price").unwrap(), Data::new(&data));
            events.push(NewEvent { key: Some(key(index)), ..event });
        }
        self.server.hub.publish_all(events).await.unwrap();
        self.events[first..].concat().into_bytes()
    }

    /// Of the events from an index on, the newest of each key.
    fn newest_from(&self, index: usize) -> Vec<&String> {
        let mut seen = HashSet::new();
        let backwards = (index..self.events.len()).rev().filter(|index| seen.insert(key(*index)));
        let mut newest: Vec<_> = backwards.map(|index| &self.events[index]).collect();
        newest.reverse();
        newest
    }
}

/// Some keys come often and some seldom.
fn key(index: usize) -> EventKey {
    EventKey::parse(&(index * index % KEYS).to_string()).unwrap()
}

/// A client without chunks, so that the bytes of an event are the same however it is sent.
struct Reader {
    socket: TcpStream,
    unread: Vec<u8>,
}

impl Reader {
    async fn open(server: &Server, last_event_id: &str, will_stop: bool) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        if will_stop {
            socket.set_recv_buffer_size(SOCKET_BYTES).unwrap();
        }
        let mut socket = socket.connect(server.address).await.unwrap();
        let request = format!("GET /events?topic=a&last_event_id={last_event_id} HTTP/1.0\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut reader = Self { socket, unread: Vec::new() };
        let opening = reader.block().await.unwrap();
        assert!(opening.starts_with("HTTP/1.0 200 OK") && opening.ends_with(": heartwire\n\n"), "{opening}");
        let connected = reader.block().await.unwrap();
        assert!(connected.contains("event: connected"), "{connected}");
        reader
    }

    /// These very bytes come next.
    async fn reads(&mut self, bytes: &[u8]) {
        let unread = std::mem::take(&mut self.unread);
        assert!(unread.len() <= bytes.len(), "more than was published");
        // Without optimisation, to make a vector longer takes as many steps as it has bytes.
        let mut actual = vec![0; bytes.len()];
        let (begun, rest) = actual.split_at_mut(unread.len());
        begun.copy_from_slice(&unread);
        self.socket.read_exact(rest).await.unwrap();
        assert!(actual == bytes, "other bytes than were published: {:.200}", String::from_utf8_lossy(&actual));
    }

    /// The next block with its blank line. `None`: the end.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some(at) = self.unread.windows(2).position(|bytes| bytes == b"\n\n") {
                let rest = self.unread.split_off(at + 2);
                return Some(String::from_utf8(std::mem::replace(&mut self.unread, rest)).unwrap());
            }
            if self.socket.read_buf(&mut self.unread).await.unwrap() == 0 {
                assert!(self.unread.is_empty(), "the stream ends within a block");
                return None;
            }
        }
    }

    /// Reads again after a long stop: what was under way, and then what the policy says.
    async fn is_slow(&mut self, published: &Published<'_>, policy: SlowReaders) {
        let mut n_had = 1;
        let next = loop {
            let block = self.block().await.unwrap();
            if published.events.get(n_had) != Some(&block) {
                break block;
            }
            n_had += 1;
        };
        let head = published.events.len();
        assert!(n_had < head - KEPT, "it has really stopped: it had {n_had} of {head}");
        let gap = |id: usize, to: usize, reason: &str| {
            let data = format!(r#"{{"from":"abc-{n_had}","to":"abc-{to}","reason":"{reason}"}}"#);
            format!("id: abc-{id}\nevent: gap\ndata: {data}\n\n")
        };
        match policy {
            SlowReaders::Close => {
                assert!(next.starts_with("retry: "), "{next}");
                let closing = self.block().await.unwrap();
                let expected = format!("id: abc-{n_had}\nevent: closing\ndata: {{\"reason\":\"lagged\"");
                assert!(closing.starts_with(&expected), "{closing}");
                assert_eq!(self.block().await, None);
                *self = Self::open(published.server, &format!("abc-{n_had}"), false).await;
                assert_eq!(self.block().await.unwrap(), gap(head - KEPT, head - KEPT, "evicted"));
                self.reads(published.events[head - KEPT..].concat().as_bytes()).await;
            }
            SlowReaders::Skip => assert_eq!(next, gap(head, head, "lagged")),
            SlowReaders::Newest => {
                assert_eq!(next, gap(n_had, head, "lagged"));
                let newest = published.newest_from(head - KEPT);
                assert!(newest.len() > KEYS / 4 && newest.len() <= KEYS, "{}", newest.len());
                for event in newest {
                    assert_eq!(self.block().await.as_ref(), Some(event));
                }
            }
        }
    }
}

/// What this process takes of the machine's memory; nothing where that cannot be known.
fn memory_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kibibytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next());
    kibibytes.and_then(|text| text.parse::<usize>().ok()).unwrap_or(0) * 1024
}
