//! Both ends without a browser: the real server, and `heartwire tail`, which runs the same state
//! machine, over a link that is cut, stalled and mended.

#![allow(clippy::unwrap_used, reason = "a test may fail that way")]

mod identity;
mod stories;
