//! What the bytes of a stream look like, and what a reader gets next in that look.

use crate::coding::{Chunk, Coding};
use crate::gzip::{self, Found, SharedContext, Track};
use crate::hub::Hub;
use crate::standing::{Standing, Step};
use crate::stream::script;
use crate::subscription::STREAM_BATCH;
use crate::topics::{BatchLimit, TopicKey};
use axum::http::HeaderValue;
use bytes::Bytes;
use std::sync::Arc;

/// How a reader gets its events.
#[derive(Clone)]
pub(crate) enum Packing {
    /// As they are.
    Plain,
    /// Large payloads as compressed frames.
    Frames,
    /// All as one gzip stream, with the context that its readers share.
    Gzip(Arc<SharedContext>),
}

/// Where a reader of a stream stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) standing: Standing,
    /// What is in the window of its decoder, if it has one.
    pub(crate) track: Track,
}

/// What a reader gets next.
#[derive(Debug, Clone)]
pub(crate) enum Next {
    /// The bytes of one batch, none if there is nothing; the place behind it; whether there is more.
    Bytes {
        bytes: Bytes,
        place: Place,
        more: bool,
        /// A heartbeat is among them.
        heartbeat: bool,
    },
    Lagged,
}

impl Place {
    pub(crate) fn new(standing: Standing) -> Self {
        Self { standing, track: Track::Alone }
    }

    /// Where the reader stands when it was told something that others were not.
    pub(crate) fn alone(self) -> Self {
        Self::new(self.standing)
    }

    /// Whether the reader gets the pieces of a shared context.
    pub(crate) fn is_shared(self) -> bool {
        matches!(self.track, Track::Shared(_))
    }
}

impl Packing {
    /// Tells packings apart whose readers get different bytes.
    pub(crate) fn kind(&self) -> PackingKind {
        match self {
            Self::Plain => PackingKind::Plain,
            Self::Frames => PackingKind::Frames,
            Self::Gzip(context) => PackingKind::Gzip { context: Arc::as_ptr(context).addr() },
        }
    }

    /// What the head of the answer says about it.
    pub(super) fn content_encoding(&self) -> Option<HeaderValue> {
        match self {
            Self::Plain | Self::Frames => None,
            Self::Gzip(_) => Some(HeaderValue::from_static("gzip")),
        }
    }

    /// The next batch for a reader at some place.
    pub(crate) fn next(&self, place: Place, hub: &Hub, keys: &[TopicKey], coding: Coding) -> Next {
        let Self::Gzip(context) = self else { return self.read_log(place.standing, hub, keys, STREAM_BATCH, coding) };
        let Place { standing, track } = place;
        match context.next(track, standing.position(), hub, keys, STREAM_BATCH) {
            Found::Nothing { through } => {
                self.read_log(standing, hub, keys, BatchLimit { through, ..STREAM_BATCH }, coding)
            }
            Found::Pieces { chunks, track, position, more, heartbeat } => {
                if more && standing.is_too_far_behind(hub, keys) {
                    return Next::Lagged;
                }
                let place = Place { standing: standing.moved_to(position, more), track };
                Next::Bytes { bytes: joined(chunks.iter().map(|chunk| coding.of(chunk))), place, more, heartbeat }
            }
        }
    }

    /// Words that are not for all readers of a shared context. Who gets them is [off it](Place::alone).
    pub(crate) fn words(&self, text: Vec<u8>, coding: Coding) -> Bytes {
        match self {
            Self::Plain | Self::Frames => coding.encode(text),
            Self::Gzip(_) => coding.encode(gzip::standing_alone(&text)),
        }
    }

    /// The first words of a stream.
    pub(super) fn opening(&self, text: &[u8]) -> Chunk {
        match self {
            Self::Plain | Self::Frames => Chunk::new(text),
            Self::Gzip(_) => Chunk::new(&[&gzip::HEADER[..], &gzip::standing_alone(text)].concat()),
        }
    }

    /// Has all readers of a shared context get a heartbeat, if this reader is one of them. Whether it
    /// does is for the next batch to tell.
    pub(crate) fn beat_for_all(&self, place: Place, hub: &Hub, keys: &[TopicKey]) {
        if let (Self::Gzip(context), Track::Shared(_)) = (self, place.track)
            && context.beat(hub, keys, STREAM_BATCH, |position| script::heartbeat(hub.cursor(position)))
        {
            hub.ring(keys);
        }
    }

    fn read_log(&self, standing: Standing, hub: &Hub, keys: &[TopicKey], limit: BatchLimit, coding: Coding) -> Next {
        match standing.step(hub, keys, limit) {
            Step::Lagged => Next::Lagged,
            Step::Read { entries, standing, more } => {
                let bytes = joined(entries.iter().map(|entry| {
                    coding.of(match self {
                        Self::Plain => entry.plain(),
                        Self::Frames => entry.framed(),
                        Self::Gzip(_) => entry.standing_alone(),
                    })
                }));
                Next::Bytes { bytes, place: Place::new(standing), more, heartbeat: false }
            }
        }
    }
}

/// See [`Packing::kind`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum PackingKind {
    Plain,
    Frames,
    Gzip {
        /// The address of the context, which its readers keep alive.
        context: usize,
    },
}

/// Some bytes in one piece.
fn joined(mut parts: impl ExactSizeIterator<Item = Bytes>) -> Bytes {
    match parts.len() {
        // The common case on a live stream: the bytes that all readers share, not copied.
        0 | 1 => parts.next().unwrap_or_default(),
        _ => parts.collect::<Vec<_>>().concat().into(),
    }
}
