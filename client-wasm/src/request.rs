//! One request by `fetch`: a stream, a poll, or the question after the server's health.
//!
//! The JavaScript face sends it, with the page's headers and token, and hands what comes back to the
//! connection under the number of its link. Promises cost less on that side of the border.

use crate::json::Json;
use crate::sink::{Controller, Sink};
use core::time::Duration;
use heartwire_protocol::connection::Link;

/// What became of a request.
pub(crate) struct Answer {
    /// The HTTP status; `None` when nothing came back, or when a stream ended that had been accepted.
    pub(crate) status: Option<u16>,
    /// The server's `Retry-After`.
    pub(crate) retry_after: Option<Duration>,
    /// The server's JSON; absent when there was none, and nonsense when it is none of ours.
    pub(crate) body: Json,
}

impl Answer {
    /// Whether the server said yes. Only then is the body what was asked for.
    #[cfg(feature = "polling")]
    pub(crate) fn is_good(&self) -> bool {
        matches!(self.status, Some(200..=299))
    }
}

/// A request on its way; dropping it abandons it.
pub(crate) struct Request {
    link: Link,
    controller: Controller,
}

impl Request {
    /// Sends a request; `None` when that cannot be done here.
    pub(crate) fn send(sink: &Sink, url: Option<String>, link: Link, stream: bool) -> Option<Self> {
        let controller = sink.send(number(link), &url?, stream).ok()?;
        Some(Self { link, controller })
    }

    pub(crate) fn link(&self) -> Link {
        self.link
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        // Does nothing to a request that is through.
        self.controller.abort();
    }
}

/// The name of a link on the other side of the border.
// Four billion attempts are some thousand years of them.
pub(crate) fn number(link: Link) -> u32 {
    link.number() as u32
}
