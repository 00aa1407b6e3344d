//! Streams as gzip, compressed once for all their readers.
//!
//! A stream is one gzip member: its header, then raw deflate blocks, each flushed to a whole byte. It
//! has no end and so no trailer; browsers decode it block by block. A block is one of two kinds:
//!
//! - It **stands alone**: it refers to nothing before it, so any reader can have it at any time. Small
//!   events shrink little that way.
//! - It is a piece of a **shared context**: it refers to the pieces before it, back to the beginning of
//!   their epoch. That is where the gain is, but only readers who had all of those bytes, and nothing
//!   in between, can have it.
//!
//! A reader begins with blocks that stand alone, moves to the shared pieces where an epoch begins, and
//! from then on gets nothing else, heartbeats included. Whatever must be said to it alone takes it off
//! the shared context until the next epoch.
//!
//! A context belongs to one set of topics and all of its readers get the same events: what one of them
//! may not read is in no window of another.

mod context;
mod deflater;

pub(crate) use context::{Contexts, Found, SharedContext, Track};
pub(crate) use deflater::{most_bytes, standing_alone};

/// What a gzip stream begins with.
// [spec] RFC 1952: magic, deflate, no flags, no time, no extra flags, unknown system.
pub(crate) const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
