//! Streams as gzip, compressed once for all their readers.
//!
//! A stream is one gzip member: its header, then raw deflate blocks, each flushed to a whole byte. It
//! has no end and so no trailer; browsers decode it block by block. A block is one of two kinds:
//!
//! - It **stands alone**: it refers to nothing before it, so any reader can have it at any time. Small
//!   events shrink little that way.
//! - It is a piece of a **shared context**: it refers to the text before it, as far back as the window of
//!   the context reaches. That is where the gain is.
//!
//! What counts for a decoder is the text that it has put out last, not the blocks which that came in. So a
//! reader begins with blocks that stand alone, one for each piece, and once it has had a window of the same
//! text as everybody else it understands their blocks, too. Heartbeats are pieces like events. Whatever must
//! be said to one reader alone is in nobody else's window: behind it, that reader begins as a new one does.
//!
//! A context belongs to one set of topics and all of its readers get the same events: what one of them
//! may not read is in no window of another. Their rights may differ elsewhere, which changes nothing: a reader comes
//! in only when it may read all of these topics, and what is said to it alone is in no context. What sharing does not
//! change either is that sizes tell of contents: where somebody may publish under a topic but not read it, or one
//! of several topics on a stream is another's to write, compression is for the operator to switch off by a rule.

mod context;
mod deflater;

pub(crate) use context::{Contexts, Found, SharedContext, Track};
#[cfg(test)]
pub(crate) use deflater::WINDOW_BYTES;
pub(crate) use deflater::{most_bytes, standing_alone};

/// What a gzip stream begins with.
// [spec] RFC 1952: magic, deflate, no flags, no time, no extra flags, unknown system.
pub(crate) const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
