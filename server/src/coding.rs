//! Bytes as HTTP/1.1 puts them on a connection.
//!
//! A chunk's frame is part of what is shared: the lean lane writes it as it is, and whoever frames
//! bytes by itself gets the slice inside. Both are one allocation.

use bytes::Bytes;

/// What the frame of a chunk adds at most: eight digits of its length and two line ends.
pub(crate) const CHUNK_FRAME_BYTES: usize = 12;

/// The chunk that ends a body.
const LAST_CHUNK: Bytes = Bytes::from_static(b"0\r\n\r\n");

/// An extension of an answer that must not be compressed: its size would tell of secrets in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeepAsIs;

/// Some bytes of a body, ready as a chunk.
#[derive(Debug, Clone)]
pub(crate) struct Chunk {
    coded: Bytes,
    head_bytes: usize,
}

impl Chunk {
    /// `content` must not be empty: an empty chunk would end the body.
    pub(crate) fn new(content: &[u8]) -> Self {
        debug_assert!(!content.is_empty(), "an empty chunk ends the body");
        let head = format!("{:x}\r\n", content.len());
        // Collected to its exact size: these bytes stay for as long as the history reaches.
        let coded = [head.as_bytes(), content, b"\r\n"].concat().into_boxed_slice();
        Self { coded: coded.into(), head_bytes: head.len() }
    }

    /// With its frame.
    pub(crate) fn coded(&self) -> &Bytes {
        &self.coded
    }

    /// How long it is without its frame.
    pub(crate) fn content_bytes(&self) -> usize {
        self.coded.len() - self.head_bytes - "\r\n".len()
    }

    /// Without its frame.
    pub(crate) fn content(&self) -> Bytes {
        self.coded.slice(self.head_bytes..self.coded.len() - "\r\n".len())
    }
}

/// How the bytes of a body are put on the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Coding {
    /// As they are: somebody else frames them, or the body ends with the connection.
    Identity,
    /// As chunks.
    Chunked,
}

impl Coding {
    pub(crate) fn of(self, chunk: &Chunk) -> Bytes {
        match self {
            Self::Identity => chunk.content(),
            Self::Chunked => chunk.coded().clone(),
        }
    }

    pub(crate) fn encode(self, content: Vec<u8>) -> Bytes {
        match self {
            Self::Identity => content.into(),
            Self::Chunked => Chunk::new(&content).coded,
        }
    }

    /// What stands behind the last bytes of a body.
    pub(crate) fn end(self) -> Bytes {
        match self {
            Self::Identity => Bytes::new(),
            Self::Chunked => LAST_CHUNK,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_and_what_is_in_it_share_their_bytes() {
        for content in ["x", "id: abc-7\n\n", &"y".repeat(70_000)] {
            let chunk = Chunk::new(content.as_bytes());
            assert_eq!(chunk.coded(), &format!("{:x}\r\n{content}\r\n", content.len()));
            assert_eq!(chunk.content(), content);
            assert_eq!(chunk.content_bytes(), content.len());
            assert!(chunk.coded().len() - content.len() <= CHUNK_FRAME_BYTES);
            let head_bytes = chunk.coded().len() - content.len() - 2;
            assert_eq!(chunk.content().as_ptr(), chunk.coded()[head_bytes..].as_ptr());
        }
    }
}
