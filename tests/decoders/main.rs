//! A compressed stream, as others decode it: curl, Node's zlib, Python's zlib, Chromium and Firefox.
//!
//! A reader without compression records what is on the wire. All others must decode, byte for byte, the
//! very same, wherever in the shared compression they joined, however long they stopped reading, and
//! wherever they resumed.

#![allow(clippy::unwrap_used, reason = "a test may fail that way")]
#![allow(clippy::print_stdout, reason = "what the run was like is of interest also when it went well")]

mod block;
mod check;
mod log;
mod page;
mod payload;
mod sink;
mod source;
mod story;
