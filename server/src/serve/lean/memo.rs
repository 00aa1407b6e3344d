//! One reading of the hub's memory for all readers that stand at the same place.
//!
//! It is good for one pass over the readers of a group: an event that comes meanwhile rings again.

use super::group::Group;
use crate::coding::Coding;
use crate::standing::{Standing, Step};
use crate::stream::script;
use crate::subscription::STREAM_BATCH;
use bytes::Bytes;
use heartwire_protocol::Cursor;

/// So many different places are remembered. On a live topic nearly all readers stand at one.
const PLACES: usize = 16;

/// What a reader gets next.
#[derive(Debug, Clone)]
pub(super) enum Next {
    /// The bytes of one batch, none if there is nothing; the place behind it; whether there is more.
    Bytes {
        bytes: Bytes,
        standing: Standing,
        more: bool,
    },
    Lagged,
}

#[derive(Default)]
pub(super) struct Memo {
    readings: Vec<(u32, Standing, Next)>,
    heartbeats: Vec<(Cursor, Coding, Bytes)>,
}

impl Memo {
    pub(super) fn forget(&mut self) {
        self.readings.clear();
        self.heartbeats.clear();
    }

    /// What a reader of a group gets next at its place.
    pub(super) fn read(&mut self, number: u32, group: &Group, standing: Standing) -> &Next {
        let known = self.readings.iter().position(|(of, at, _)| *of == number && *at == standing);
        let known = known.unwrap_or_else(|| {
            let next = read(group, standing);
            push(&mut self.readings, (number, standing, next))
        });
        &self.readings[known].2
    }

    pub(super) fn heartbeat(&mut self, position: Cursor, coding: Coding) -> &Bytes {
        let known = self.heartbeats.iter().position(|(at, of, _)| *at == position && *of == coding);
        let known = known.unwrap_or_else(|| {
            let heartbeat = coding.encode(script::heartbeat(position));
            push(&mut self.heartbeats, (position, coding, heartbeat))
        });
        &self.heartbeats[known].2
    }
}

fn read(group: &Group, standing: Standing) -> Next {
    match standing.step(group.hub(), group.membership.keys(), STREAM_BATCH) {
        Step::Lagged => Next::Lagged,
        Step::Moved { gap, standing } => {
            let gap = script::gap(gap, group.hub().cursor(standing.position()));
            Next::Bytes { bytes: group.form.coding.encode(gap), standing, more: true }
        }
        Step::Read { entries, standing, more } => {
            let bytes = script::events(&entries, group.form.frames, group.form.coding);
            Next::Bytes { bytes, standing, more }
        }
    }
}

/// Returns where the new one is.
fn push<T>(known: &mut Vec<T>, new: T) -> usize {
    if known.len() == PLACES {
        known.clear();
    }
    known.push(new);
    known.len() - 1
}
