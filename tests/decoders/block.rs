//! Event blocks as they stand in a stream: `id: …`, `event: …`, `data: …`, a blank line.

use anyhow::{Context, Result};

/// Takes a stream apart, in slices of any size.
#[derive(Default)]
pub(crate) struct Blocks {
    bytes: Vec<u8>,
    start: usize,
    /// No block ends before this place.
    searched: usize,
}

impl Blocks {
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole block, with its blank line.
    pub(crate) fn next(&mut self) -> Option<Vec<u8>> {
        let from = self.searched.max(self.start);
        let Some(at) = self.bytes[from..].windows(2).position(|pair| pair == b"\n\n") else {
            self.searched = from.max(self.bytes.len().saturating_sub(1));
            return None;
        };
        let end = from + at + 2;
        let block = self.bytes[self.start..end].to_vec();
        (self.start, self.searched) = (end, end);
        Some(block)
    }

    /// Takes `block` off if it is what comes next.
    pub(crate) fn take(&mut self, block: &[u8]) -> bool {
        let is_next = self.bytes[self.start..].starts_with(block);
        if is_next {
            self.start += block.len();
            self.searched = self.searched.max(self.start);
        }
        is_next
    }
}

/// What a block says.
pub(crate) struct Block {
    pub(crate) id: Option<String>,
    pub(crate) event_type: String,
    pub(crate) data: String,
}

impl Block {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self> {
        let text = std::str::from_utf8(bytes).context("a block is not UTF-8")?;
        let field = |name: &'static str| text.lines().filter_map(move |line| line.strip_prefix(name));
        Ok(Self {
            id: field("id: ").next().map(str::to_owned),
            event_type: field("event: ").next().unwrap_or_default().to_owned(),
            data: field("data: ").collect::<Vec<_>>().join("\n"),
        })
    }

    /// Whether somebody has published it.
    pub(crate) fn is_event(&self) -> bool {
        self.id.is_some()
            && !matches!(self.event_type.as_str(), "connected" | "heartbeat" | "gap" | "expiring" | "closing")
    }

    /// The sequence in its id.
    pub(crate) fn sequence(&self) -> Result<u64> {
        let (_, sequence) = self.id.as_deref().and_then(|id| id.split_once('-')).context("a block has an id")?;
        Ok(sequence.parse()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_whole_however_the_stream_is_cut() {
        let stream = b": hi\n\nid: a-1\ndata: x\n\nid: a-2\nevent: e\ndata: y\ndata: \n\n";
        let expected: Vec<&[u8]> =
            vec![b": hi\n\n", b"id: a-1\ndata: x\n\n", b"id: a-2\nevent: e\ndata: y\ndata: \n\n"];
        for cut in 0..=stream.len() {
            let (mut blocks, mut found) = (Blocks::default(), Vec::new());
            for piece in [&stream[..cut], &stream[cut..]] {
                blocks.feed(piece);
                while let Some(block) = blocks.next() {
                    found.push(block);
                }
            }
            assert_eq!(found, expected, "cut at {cut}");
        }
        let block = Block::parse(expected[2]).unwrap();
        assert_eq!((block.event_type.as_str(), block.data.as_str(), block.sequence().unwrap()), ("e", "y\n", 2));
    }
}
