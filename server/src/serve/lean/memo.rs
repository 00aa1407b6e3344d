//! One reading of the hub's memory for all readers that stand at the same place.
//!
//! It is good for one pass over the readers of a group: an event that comes meanwhile rings again. Groups are
//! known by their numbers, so it must be forgotten before a number goes to another group.

use super::group::{Form, Group};
use crate::stream::{Next, Packing, StreamPlace, script};
use bytes::Bytes;
use heartwire_protocol::Cursor;

/// So many different places are remembered. On a live topic nearly all readers stand at one.
const PLACES: usize = 16;

#[derive(Default)]
pub(super) struct Memo {
    readings: Vec<(u32, StreamPlace, Next)>,
    heartbeats: Vec<(Cursor, Form, Bytes)>,
}

impl Memo {
    pub(super) fn forget(&mut self) {
        self.readings.clear();
        self.heartbeats.clear();
    }

    /// What a reader of a group gets next at its place.
    pub(super) fn read(&mut self, number: u32, group: &Group, packing: &Packing, place: StreamPlace) -> &Next {
        let known = self.readings.iter().position(|(of, at, _)| *of == number && *at == place);
        let known = known.unwrap_or_else(|| {
            let next = packing.next(place, group.hub(), group.membership.keys(), group.form.coding);
            push(&mut self.readings, (number, place, next))
        });
        &self.readings[known].2
    }

    /// A heartbeat for readers who do not get one from a shared context.
    pub(super) fn heartbeat(&mut self, position: Cursor, form: Form, packing: &Packing) -> &Bytes {
        let known = self.heartbeats.iter().position(|(at, of, _)| *at == position && *of == form);
        let known = known.unwrap_or_else(|| {
            let heartbeat = packing.words(script::heartbeat(position), form.coding);
            push(&mut self.heartbeats, (position, form, heartbeat))
        });
        &self.heartbeats[known].2
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
