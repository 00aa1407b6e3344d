//! What a reader without any compression is given: each event block as it stands on the wire, in order.
//! All other readers are held against it.

use anyhow::{Context, Result, ensure};
use heartwire_tests::http;
use std::sync::RwLock;
use tokio::sync::watch;

use crate::block::{Block, Blocks};
use crate::payload::TOPICS;

/// The event blocks of all topics, by their sequence.
pub(crate) struct Log {
    entries: RwLock<Vec<Entry>>,
    /// The sequence of the last one; the first one has 1.
    head: watch::Sender<u64>,
}

#[derive(Clone)]
struct Entry {
    topic: usize,
    bytes: Vec<u8>,
}

impl Log {
    pub(crate) fn new() -> Self {
        Self { entries: RwLock::default(), head: watch::Sender::new(0) }
    }

    pub(crate) fn head(&self) -> u64 {
        *self.head.borrow()
    }

    /// How far it is, to wait for.
    pub(crate) fn place(&self) -> watch::Receiver<u64> {
        self.head.subscribe()
    }

    /// Waits until everything up to this sequence is there.
    pub(crate) async fn reaches(&self, sequence: u64) -> Result<()> {
        let reached = self.head.subscribe().wait_for(|head| *head >= sequence).await.map(|_| ());
        reached.context("the log ends with the story")
    }

    /// The first event of these topics after `place` and up to `end`: its sequence, and what `look` makes of it.
    pub(crate) fn next<T>(
        &self,
        topics: &[usize],
        (place, end): (u64, u64),
        look: impl FnOnce(u64, &[u8]) -> T,
    ) -> Option<T> {
        let entries = self.entries.read().expect("nobody panics with the log in hand");
        let end = usize::try_from(end).map_or(entries.len(), |end| end.min(entries.len()));
        let place = usize::try_from(place).unwrap_or(end).min(end);
        let at = place + entries[place..end].iter().position(|entry| topics.contains(&entry.topic))?;
        Some(look(at as u64 + 1, &entries[at].bytes))
    }

    /// Reads the stream at `url`, which has all topics, until event `last` has come.
    pub(crate) async fn record(&self, url: String, last: u64) -> Result<()> {
        let mut answer = http::get(&url).await?.error_for_status()?;
        ensure!(answer.headers().get("content-encoding").is_none(), "this one asked for no compression");
        let mut blocks = Blocks::default();
        while let Some(bytes) = answer.chunk().await? {
            blocks.feed(&bytes);
            while let Some(bytes) = blocks.next() {
                let block = Block::parse(&bytes)?;
                if block.is_event() {
                    self.append(&block, bytes)?;
                }
            }
            if self.head() == last {
                return Ok(());
            }
        }
        anyhow::bail!("the stream without compression ended at {}", self.head())
    }

    fn append(&self, block: &Block, bytes: Vec<u8>) -> Result<()> {
        let payload: serde_json::Value = serde_json::from_str(&block.data)?;
        let sequence = block.sequence()?;
        ensure!(sequence == self.head() + 1, "event {sequence} after {}", self.head());
        ensure!(payload["n"] == sequence - 1, "event {sequence} is not what was published: {payload}");
        let topic = TOPICS.iter().position(|topic| payload["topic"] == *topic).context("a topic of ours")?;
        self.entries.write().expect("nobody panics with the log in hand").push(Entry { topic, bytes });
        self.head.send_replace(sequence);
        Ok(())
    }
}
