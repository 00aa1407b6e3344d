//! The readers of a shard that read the same topics and get the same bytes.

use super::doorbell::{Doorbell, GroupBell};
use crate::bell::Listener;
use crate::coding::Coding;
use crate::hub::Hub;
use crate::membership::Membership;
use crate::stream::PackingKind;
use crate::topics::TopicKey;
use slab::Slab;
use std::collections::HashMap;
use std::sync::Arc;

/// What makes readers alike.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Kind {
    /// The address of the hub, which the group's membership keeps alive.
    hub: usize,
    /// Sorted: readers who name the same topics in another order get the same events.
    keys: Box<[TopicKey]>,
    form: Form,
}

/// What the bytes of a reader look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Form {
    pub(super) packing: PackingKind,
    pub(super) coding: Coding,
}

pub(super) struct Group {
    kind: Arc<Kind>,
    pub(super) form: Form,
    pub(super) membership: Membership,
    pub(super) bell: Arc<GroupBell>,
    /// Its readers; each knows its seat.
    pub(super) lines: Vec<u32>,
}

impl Group {
    pub(super) fn hub(&self) -> &Hub {
        self.membership.hub()
    }
}

#[derive(Default)]
pub(super) struct Groups {
    slots: Slab<Group>,
    by_kind: HashMap<Arc<Kind>, usize>,
}

impl Groups {
    pub(super) fn get(&self, group: u32) -> &Group {
        &self.slots[group as usize]
    }

    /// `None`: the group has lost its last reader since it was rung.
    pub(super) fn rung(&self, group: usize) -> Option<&Group> {
        self.slots.get(group)
    }

    /// Seats a reader. Returns its group and its seat. One membership serves all of a group.
    pub(super) fn join(&mut self, line: u32, membership: Membership, form: Form, door: &Arc<Doorbell>) -> (u32, u32) {
        let mut keys: Box<[TopicKey]> = membership.keys().into();
        keys.sort_unstable();
        let kind = Kind { hub: membership.hub().address(), keys, form };
        let group = match self.by_kind.get(&kind) {
            Some(group) => *group,
            None => self.open(kind, membership, door),
        };
        let lines = &mut self.slots[group].lines;
        lines.push(line);
        (index(group), index(lines.len() - 1))
    }

    /// Frees a seat. Returns the reader who sits there from now on, if any.
    pub(super) fn leave(&mut self, group: u32, seat: u32) -> Option<u32> {
        let group = group as usize;
        let lines = &mut self.slots[group].lines;
        lines.swap_remove(seat as usize);
        if lines.is_empty() {
            let closed = self.slots.remove(group);
            self.by_kind.remove(&closed.kind);
            return None;
        }
        lines.get(seat as usize).copied()
    }

    fn open(&mut self, kind: Kind, mut membership: Membership, door: &Arc<Doorbell>) -> usize {
        let (kind, slot) = (Arc::new(kind), self.slots.vacant_entry());
        let group = slot.key();
        let bell = Arc::new(GroupBell::new(Arc::clone(door), group));
        // Its readers read for the first time after this, so no event falls between the two.
        membership.listen(&(Arc::clone(&bell) as Arc<dyn Listener>));
        slot.insert(Group { form: kind.form, kind: Arc::clone(&kind), membership, bell, lines: Vec::new() });
        self.by_kind.insert(kind, group);
        group
    }
}

/// Indices are kept in four bytes: there are no four billion sockets.
pub(super) fn index(index: usize) -> u32 {
    u32::try_from(index).expect("a process has fewer sockets than this")
}
