//! As much of HTTP/1.1 as the load generator reads: the heads of answers, and bodies in chunks.

use anyhow::{Context as _, Result, bail};

/// A head that is longer is refused.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// What the generator needs to know of an answer's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: u16,
    /// The length of the head itself.
    pub(crate) bytes: usize,
    pub(crate) content_length: Option<u64>,
    pub(crate) is_chunked: bool,
    pub(crate) is_gzip: bool,
}

impl Head {
    /// Parses the head once it is there in full.
    pub(crate) fn parse(received: &[u8]) -> Result<Option<Self>> {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut response = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(bytes) = response.parse(received).context("the answer is not HTTP")? else {
            if received.len() > MAX_HEAD_BYTES {
                bail!("the head of the answer has no end");
            }
            return Ok(None);
        };
        let value = |name: &str| {
            let header = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
            std::str::from_utf8(header.value).ok()
        };
        let is = |name: &str, word: &str| value(name).is_some_and(|value| value.eq_ignore_ascii_case(word));
        let status = response.code.context("the answer has no status")?;
        let content_length = match value("content-length") {
            Some(length) => Some(length.parse().context("the answer has no sensible length")?),
            // These have no body, and say nothing about its length.
            None => matches!(status, 204 | 304).then_some(0),
        };
        let is_chunked = is("transfer-encoding", "chunked");
        Ok(Some(Self { status, bytes, content_length, is_chunked, is_gzip: is("content-encoding", "gzip") }))
    }
}

/// Takes the chunks of a body apart, in slices of any size.
#[derive(Debug, Default)]
pub(crate) struct Chunks {
    state: ChunkState,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ChunkState {
    /// In a line that begins with the size.
    #[default]
    Begin,
    Size(u64),
    /// After the digits, up to the end of the line.
    Extension(u64),
    Data(u64),
    /// In the line break that ends a chunk.
    EndOfData,
    /// After the chunk of no bytes, with this many of the closing line break's bytes read.
    Trailer(u8),
    Over,
}

impl Chunks {
    /// Appends the body's own bytes in `received` to `body`.
    pub(crate) fn feed(&mut self, mut received: &[u8], body: &mut Vec<u8>) -> Result<()> {
        while let Some((&byte, rest)) = received.split_first() {
            if let ChunkState::Data(left) = self.state {
                let n = usize::try_from(left).unwrap_or(usize::MAX).min(received.len());
                body.extend_from_slice(&received[..n]);
                received = &received[n..];
                let left = left - n as u64;
                self.state = if left == 0 { ChunkState::EndOfData } else { ChunkState::Data(left) };
                continue;
            }
            self.state = self.state.after(byte)?;
            received = rest;
        }
        Ok(())
    }

    /// Whether the body has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.state == ChunkState::Over
    }
}

impl ChunkState {
    fn after(self, byte: u8) -> Result<Self> {
        let digit = char::from(byte).to_digit(16).map(u64::from);
        let after_line = |size| if size == 0 { Self::Trailer(0) } else { Self::Data(size) };
        Ok(match (self, byte) {
            (Self::Begin, _) => Self::Size(digit.context("a chunk does not begin with its size")?),
            (Self::Size(size) | Self::Extension(size), b'\n') => after_line(size),
            (Self::Size(size), _) => match digit {
                Some(digit) => Self::Size(size.checked_mul(16).context("a chunk is too large")? + digit),
                None => Self::Extension(size),
            },
            (Self::Extension(_), _) => self,
            (Self::EndOfData, b'\r') => Self::EndOfData,
            (Self::EndOfData, b'\n') => Self::Begin,
            // No peer sends trailers.
            (Self::Trailer(0), b'\r') => Self::Trailer(1),
            (Self::Trailer(_), b'\n') => Self::Over,
            (Self::Data(_) | Self::EndOfData | Self::Trailer(_) | Self::Over, _) => {
                bail!("a chunk does not end where it says")
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_parsed_once_it_is_there_in_full() {
        let text = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: GZIP\r\n\r\n5\r\n";
        let head = Head { status: 200, bytes: text.len() - 3, content_length: None, is_chunked: true, is_gzip: true };
        for cut in 0..text.len() - 3 {
            assert_eq!(Head::parse(&text[..cut]).unwrap(), None, "{cut}");
        }
        assert_eq!(Head::parse(text).unwrap(), Some(head));
    }

    #[test]
    fn an_answer_without_a_body_has_no_length_to_wait_for() {
        let length = |text: &[u8]| Head::parse(text).unwrap().unwrap().content_length;
        assert_eq!(length(b"HTTP/1.1 204 No Content\r\n\r\n"), Some(0));
        assert_eq!(length(b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n"), Some(12));
        assert_eq!(length(b"HTTP/1.1 200 OK\r\n\r\n"), None);
    }

    #[test]
    fn what_is_no_head_is_refused() {
        assert!(Head::parse(b"SSH-2.0-OpenSSH\r\n").is_err());
        assert!(Head::parse(b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n").is_err());
        let endless = format!("HTTP/1.1 200 OK\r\na: {}", "b".repeat(MAX_HEAD_BYTES));
        assert!(Head::parse(endless.as_bytes()).is_err());
    }

    #[test]
    fn chunks_are_taken_apart_however_they_are_cut() {
        let text = b"5\r\nhello\r\n1A;name=value\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\n\r\n";
        for cut in 0..=text.len() {
            let (mut chunks, mut body) = (Chunks::default(), Vec::new());
            chunks.feed(&text[..cut], &mut body).unwrap();
            assert_eq!(chunks.is_over(), cut == text.len());
            chunks.feed(&text[cut..], &mut body).unwrap();
            assert_eq!(body, b"helloabcdefghijklmnopqrstuvwxyz");
            assert!(chunks.is_over());
        }
    }

    #[test]
    fn broken_chunks_are_refused() {
        for text in [&b"x\r\n"[..], b"2\r\nabc", b"fffffffffffffffff\r\n"] {
            assert!(Chunks::default().feed(text, &mut Vec::new()).is_err(), "{text:?}");
        }
    }
}
