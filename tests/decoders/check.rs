//! One reader's streams, held against the log: every event of its topics once, in order, byte for byte.

use anyhow::{Context, Result, bail, ensure};

use crate::block::{Block, Blocks};
use crate::log::Log;

/// What a reader has been given, over all its streams.
pub(crate) struct Check<'a> {
    log: &'a Log,
    topics: &'a [usize],
    blocks: Blocks,
    /// Everything of its topics up to here was given to it. `None` before its first stream has begun.
    place: Option<u64>,
    last_event_id: Option<String>,
    /// The head of the answer has been read, or this reader cannot see it.
    is_past_head: bool,
    head: Vec<u8>,
    pub(crate) n_events: u64,
    pub(crate) n_resumed: u64,
    pub(crate) n_heartbeats: u64,
    pub(crate) n_lagged: u64,
}

impl<'a> Check<'a> {
    pub(crate) fn new(log: &'a Log, topics: &'a [usize]) -> Self {
        Self {
            log,
            topics,
            blocks: Blocks::default(),
            place: None,
            last_event_id: None,
            is_past_head: false,
            head: Vec::new(),
            n_events: 0,
            n_resumed: 0,
            n_heartbeats: 0,
            n_lagged: 0,
        }
    }

    /// A stream begins. Returns the resume point that its request must name.
    pub(crate) fn begin(&mut self, resumes: bool, shows_head: bool) -> Option<String> {
        self.blocks = Blocks::default();
        self.head.clear();
        self.is_past_head = !shows_head;
        if !resumes {
            (self.place, self.last_event_id) = (None, None);
        }
        self.last_event_id.clone()
    }

    pub(crate) fn place(&self) -> Option<u64> {
        self.place
    }

    /// The reader has decoded this.
    pub(crate) async fn take(&mut self, mut bytes: &[u8]) -> Result<()> {
        if !self.is_past_head {
            self.head.extend_from_slice(bytes);
            let Some(end) = self.head.windows(4).position(|end| end == b"\r\n\r\n") else { return Ok(()) };
            let head = String::from_utf8_lossy(&self.head[..end]).to_lowercase();
            ensure!(head.contains("content-encoding: gzip"), "the stream is not compressed: {head}");
            self.is_past_head = true;
            let rest = self.head.split_off(end + 4);
            self.blocks.feed(&rest);
            bytes = &[];
        }
        self.blocks.feed(bytes);
        loop {
            if self.take_expected() {
                continue;
            }
            match self.blocks.next() {
                Some(block) => {
                    let told = self.block(&block).await;
                    told.with_context(|| format!("at the block {:?}", String::from_utf8_lossy(&block)))?;
                }
                None => return Ok(()),
            }
        }
    }

    /// The quick way: what comes next is the very event that must.
    fn take_expected(&mut self) -> bool {
        let Some(place) = self.place else { return false };
        let blocks = &mut self.blocks;
        let look = |sequence, bytes: &[u8]| {
            // Its id is in its first line.
            let line_end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or_default();
            let id = String::from_utf8_lossy(&bytes[..line_end]).trim_start_matches("id: ").to_owned();
            blocks.take(bytes).then_some((sequence, id))
        };
        let Some((sequence, id)) = self.log.next(self.topics, (place, u64::MAX), look).flatten() else { return false };
        self.place = Some(sequence);
        self.last_event_id = Some(id);
        self.n_events += 1;
        true
    }

    async fn block(&mut self, bytes: &[u8]) -> Result<()> {
        if bytes.starts_with(b": ") || bytes.starts_with(b"retry: ") {
            ensure!(bytes == b": heartwire\n\n" || bytes.starts_with(b"retry: "), "an odd comment");
            return Ok(());
        }
        let block = Block::parse(bytes)?;
        match block.event_type.as_str() {
            "connected" => self.connected(&block)?,
            "gap" => bail!("a gap where nothing is gone: {}", block.data),
            "heartbeat" => {
                self.n_heartbeats += 1;
                self.nothing_before(block.sequence()?).await?;
            }
            "closing" => {
                ensure!(block.data.contains("\"lagged\""), "an odd end: {}", block.data);
                self.n_lagged += 1;
                self.nothing_before(block.sequence()?).await?;
            }
            _ => {
                let sequence = block.sequence()?;
                self.nothing_before(sequence - 1).await?;
                self.log.reaches(sequence).await?;
                let is_same = self.log.next(self.topics, (sequence - 1, sequence), |_, expected| expected == bytes);
                ensure!(is_same == Some(true), "event {sequence} differs");
                self.place = Some(sequence);
                self.n_events += 1;
            }
        }
        self.last_event_id = block.id.or(self.last_event_id.take());
        Ok(())
    }

    fn connected(&mut self, block: &Block) -> Result<()> {
        let sequence = block.sequence().context("nothing is gone, so `connected` has a place")?;
        if let Some(place) = self.place {
            ensure!(place == sequence, "a stream goes on at {sequence} and not at {place}");
            self.n_resumed += 1;
        }
        self.place = Some(sequence);
        Ok(())
    }

    /// The server says that everything up to here was given: so it must have been.
    async fn nothing_before(&mut self, sequence: u64) -> Result<()> {
        let place = self.place.context("`connected` comes first")?;
        ensure!(place <= sequence, "back at {sequence} after {place}");
        self.log.reaches(sequence).await?;
        let left_out = self.log.next(self.topics, (place, sequence), |sequence, _| sequence);
        ensure!(left_out.is_none(), "after {place} event {left_out:?} was left out, since {sequence} came");
        self.place = Some(sequence);
        Ok(())
    }
}
