//! A subscription as a response.
//!
//! The answer to a stream request is an ordinary response whose body any server can send. Beside the
//! body it carries a [`Takeover`], by which our own server takes the stream out of the body and
//! writes it straight to the socket.

mod body;
pub(crate) mod script;
mod takeover;

pub(crate) use takeover::{Taken, Takeover};

use crate::coding::Chunk;
use crate::limits::Permit;
use crate::subscription::Subscription;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};

/// One stream, ready to be written by whoever comes to do it.
pub(crate) struct EventStream {
    pub(crate) subscription: Subscription,
    /// The first bytes, which tell of the gap if there is one.
    pub(crate) opening: Chunk,
    /// The reader asked for compressed frames.
    pub(crate) frames: bool,
    /// Held for as long as the stream lives.
    pub(crate) permit: Permit,
}

impl EventStream {
    pub(crate) fn new(mut subscription: Subscription, frames: bool, permit: Permit) -> Self {
        let opening = Chunk::new(&script::opening(&mut subscription));
        Self { subscription, opening, frames, permit }
    }
}

impl IntoResponse for EventStream {
    fn into_response(self) -> Response {
        const HEADERS: [(HeaderName, HeaderValue); 3] = [
            (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
            // nginx collects a response before it passes it on, unless it is told not to.
            (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
        ];
        let (body, takeover) = body::of(self);
        let mut response = (HEADERS, body).into_response();
        response.extensions_mut().insert(takeover);
        response
    }
}
