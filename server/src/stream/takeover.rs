//! How a stream leaves its response body for the lean lane.

use super::{EventStream, body};
use axum::body::{Body, HttpBody};
use axum::http::HeaderValue;
use bytes::Bytes;
use parking_lot::Mutex;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};

/// Where the body keeps its stream until it goes on behind the opening.
pub(super) type Slot = Arc<Mutex<Option<Box<EventStream>>>>;

/// A response extension: the way into the body's slot.
#[derive(Clone)]
pub(crate) struct Takeover {
    // Weak: the body alone keeps the stream, so a dropped body is a stream that has ended.
    slot: Weak<Mutex<Option<Box<EventStream>>>>,
    opening: Bytes,
    content_encoding: Option<HeaderValue>,
}

/// What a look at a body shows.
pub(crate) enum Taken {
    /// The stream, taken out of its body. The body has nothing more to say, but middleware may have
    /// tied something to its life: it must be kept for as long as the stream is written.
    Stream(Box<EventStream>, Body),
    /// Some middleware changes the bytes, so the stream must run through the body. What was read of
    /// the body already stands in front again.
    LeftAlone(Body),
}

impl Takeover {
    pub(super) fn new(slot: &Slot, opening: Bytes, content_encoding: Option<HeaderValue>) -> Self {
        Self { slot: Arc::downgrade(slot), opening, content_encoding }
    }

    /// What the head says about the body, if nobody has changed it.
    pub(crate) fn content_encoding(&self) -> Option<&HeaderValue> {
        self.content_encoding.as_ref()
    }

    /// Takes the stream out of `body`, provided that what comes out of it are our very bytes.
    ///
    /// Layers wrap bodies for many reasons, and a wrapped body does not tell what wraps it. But the
    /// first frame does: a layer that only looks on passes the very buffer, one that compresses or
    /// rewrites does not.
    pub(crate) fn take(&self, mut body: Body) -> Taken {
        let mut context = Context::from_waker(Waker::noop());
        let Poll::Ready(first) = Pin::new(&mut body).poll_frame(&mut context) else {
            // It waits for something of its own. Whoever polls it next registers another waker.
            return Taken::LeftAlone(body);
        };
        let data = first.as_ref().and_then(|first| first.as_ref().ok()?.data_ref());
        let ours = data.is_some_and(|data| is_same(data, &self.opening));
        let slot = self.slot.upgrade().filter(|_| ours);
        match slot.and_then(|slot| slot.lock().take()) {
            Some(stream) => Taken::Stream(stream, body),
            None => Taken::LeftAlone(body::with_first_frame(first, body)),
        }
    }
}

fn is_same(one: &Bytes, other: &Bytes) -> bool {
    one.as_ptr() == other.as_ptr() && one.len() == other.len()
}
