//! A subscription as a response.
//!
//! The answer to a stream request is an ordinary response whose body any server can send. Beside the
//! body it carries a [`Takeover`], by which our own server takes the stream out of the body and
//! writes it straight to the socket.

mod body;
mod packing;
pub(crate) mod script;
mod takeover;

pub(crate) use packing::{Next, Packing, PackingKind, StreamPlace};
pub(crate) use takeover::{Taken, Takeover};

use crate::coding::Chunk;
use crate::metrics::OpenStream;
use crate::stream_permits::StreamPermit;
use crate::subscription::Subscription;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use std::net::IpAddr;
use std::time::Duration;

/// One stream, ready to be written by whoever comes to do it.
pub(crate) struct EventStream {
    pub(crate) subscription: Subscription,
    /// The first bytes, which tell of the gap if there is one.
    pub(crate) opening: Chunk,
    pub(crate) packing: Packing,
    /// How long its reader's token is good for; `None` for as long as it likes.
    pub(crate) expires_in: Option<Duration>,
    /// Held for as long as the stream lives, like the next.
    pub(crate) permit: StreamPermit,
    pub(crate) counted: OpenStream,
}

impl EventStream {
    /// `address`: of the client, for whoever watches.
    pub(crate) fn new(
        mut subscription: Subscription,
        packing: Packing,
        permit: StreamPermit,
        address: Option<IpAddr>,
    ) -> Self {
        let (hub, keys) = (subscription.hub(), subscription.membership().keys());
        let counted = hub.count_stream(keys, address);
        let opening = packing.opening(&script::opening(&mut subscription));
        Self { subscription, opening, packing, expires_in: None, permit, counted }
    }

    /// Makes it end with its reader's token.
    pub(crate) fn ending_within(self, expires_in: Option<Duration>) -> Self {
        Self { expires_in, ..self }
    }
}

/// What stands in the head of every stream.
pub(crate) const STREAM_HEADERS: [(HeaderName, HeaderValue); 4] = [
    (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (header::VARY, HeaderValue::from_static("accept-encoding")),
    // nginx collects a response before it passes it on, unless it is told not to.
    (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
];

impl IntoResponse for EventStream {
    fn into_response(self) -> Response {
        let content_encoding = self.packing.content_encoding();
        let (body, takeover) = body::of(self);
        let mut response = (STREAM_HEADERS, body).into_response();
        if let Some(name) = content_encoding {
            response.headers_mut().insert(header::CONTENT_ENCODING, name);
        }
        response.extensions_mut().insert(takeover);
        response
    }
}
