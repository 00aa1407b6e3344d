//! The body of a stream as it comes over the wire, and the text in it: without chunks, without gzip.

use anyhow::{Context as _, Result};
use flate2::{Decompress, FlushDecompress};

use crate::http::{Chunks, Head};

/// One body that is being read.
pub(crate) struct Body {
    chunks: Option<Chunks>,
    gzip: Option<Gunzip>,
}

impl Body {
    /// Of the answer with this head.
    pub(crate) fn new(head: Head) -> Self {
        Self { chunks: head.is_chunked.then(Chunks::default), gzip: head.is_gzip.then(Gunzip::default) }
    }

    pub(crate) fn is_gzip(&self) -> bool {
        self.gzip.is_some()
    }

    /// Appends the text in what was received.
    pub(crate) fn feed(&mut self, received: &[u8], text: &mut Vec<u8>) -> Result<()> {
        let mut unchunked = Vec::new();
        let body = match &mut self.chunks {
            Some(chunks) => {
                chunks.feed(received, &mut unchunked)?;
                &unchunked[..]
            }
            None => received,
        };
        match &mut self.gzip {
            Some(gzip) => gzip.feed(body, text),
            None => {
                text.extend_from_slice(body);
                Ok(())
            }
        }
    }
}

/// Opens one gzip member that has no end.
struct Gunzip {
    /// Of the member's head, which has ten bytes as every server writes it.
    head_left: usize,
    inflate: Decompress,
}

impl Default for Gunzip {
    fn default() -> Self {
        Self { head_left: 10, inflate: Decompress::new(false) }
    }
}

impl Gunzip {
    fn feed(&mut self, received: &[u8], text: &mut Vec<u8>) -> Result<()> {
        let n_head = self.head_left.min(received.len());
        self.head_left -= n_head;
        let mut input = &received[n_head..];
        loop {
            text.reserve(16 * 1024);
            let (before_in, before_out) = (self.inflate.total_in(), text.len());
            self.inflate.decompress_vec(input, text, FlushDecompress::Sync).context("the gzip is broken")?;
            let n_taken = usize::try_from(self.inflate.total_in() - before_in)?;
            input = &input[n_taken..];
            if n_taken == 0 && text.len() == before_out {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use flate2::{Compress, Compression, FlushCompress};

    use super::*;

    #[test]
    fn a_member_without_an_end_is_opened_event_by_event_however_it_is_cut() {
        let mut compressor = Compress::new(Compression::default(), false);
        let events: Vec<_> = (0..500).map(|n| format!("data: {{\"number\":{n},\"text\":\"some text\"}}\n\n")).collect();
        for piece in [1, 7, 10_000] {
            let mut gunzip = Gunzip::default();
            let mut member = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
            compressor.reset();
            for event in &events {
                member.reserve(4096);
                compressor.compress_vec(event.as_bytes(), &mut member, FlushCompress::Sync).unwrap();
                let mut text = Vec::new();
                for cut in member.chunks(piece) {
                    gunzip.feed(cut, &mut text).unwrap();
                }
                assert_eq!(text, event.as_bytes());
                member.clear();
            }
        }
    }
}
