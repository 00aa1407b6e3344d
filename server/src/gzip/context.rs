//! One deflate context for all gzip readers of the same topics.
//!
//! It compresses each event once, in the order of the log, and keeps the last pieces for readers who
//! are not quite there yet. It is pulled by its readers and knows none of them: whoever finds nothing
//! more among the pieces has the context read the log on.

use super::deflater::{self, Lent};
use super::standing_alone;
use crate::coding::Chunk;
use crate::hub::Hub;
use crate::limits::Permits;
use crate::metrics::Told;
use crate::topics::{BatchLimit, Place, Reading, TopicKey};
use heartwire_protocol::Topic;
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};
use tokio::time::Instant;

/// How much text an epoch takes. A longer one compresses better, but who comes late waits for longer.
const EPOCH_BYTES: usize = 32 * 1024;
/// How many bytes of pieces are kept for readers who are behind.
const KEPT_BYTES: usize = 64 * 1024;
/// From so many readers on a context is worth its memory. Below, they read the log by themselves, in
/// blocks that stand alone.
const MIN_READERS: usize = 4;
/// So few contexts are not worth a search for dead ones.
const MIN_SWEEP: usize = 64;

/// The context of some topics, held by each of its readers.
pub(crate) struct SharedContext {
    state: Mutex<State>,
}

/// What a reader's decoder has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Track {
    /// Something that no other reader has seen.
    #[default]
    Alone,
    /// All pieces of some epoch, and nothing else, up to but not including this one.
    Shared(u64),
}

/// What a context has for a reader.
pub(crate) enum Found {
    /// The next pieces, and where the reader stands once it has them.
    Pieces { chunks: Vec<Chunk>, track: Track, position: u64, more: bool, told: Told },
    /// Nothing that its decoder understands. It reads the log by itself, in blocks that stand alone, and
    /// looks here again when it has everything up to this sequence.
    Nothing { through: u64 },
}

impl SharedContext {
    fn new(permits: Arc<Permits>, begin: u64) -> Self {
        let state = State {
            permits,
            begin,
            position: begin,
            pieces: VecDeque::new(),
            first: 0,
            kept_bytes: 0,
            epoch: None,
            last_heartbeat: None,
            has_events_since_heartbeat: false,
        };
        Self { state: Mutex::new(state) }
    }

    /// What comes next for a reader of the topics `keys` that has everything up to `position`.
    pub(crate) fn next(
        self: &Arc<Self>,
        track: Track,
        position: u64,
        hub: &Hub,
        keys: &[TopicKey],
        limit: BatchLimit,
    ) -> Found {
        let mut state = self.state.lock();
        if !self.is_worth_it() {
            if state.is_in_use() {
                let begin = state.position;
                state.begin_anew(begin);
            }
            return Found::Nothing { through: u64::MAX };
        }
        let shared = match track {
            Track::Shared(number) => Some(number).filter(|number| *number >= state.first),
            Track::Alone => None,
        };
        let has_all_pieces = shared.map_or(position >= state.position, |number| number == state.end());
        let more = if has_all_pieces {
            state.read_on(hub, keys, limit)
        } else {
            // Somebody else had it read on, perhaps not to the end.
            state.position < hub.head().sequence
        };
        let place = match shared {
            // Reading on may have begun anew.
            Some(number) => Some(number).filter(|number| *number >= state.first),
            None => {
                if position > state.position {
                    // Whoever needs what lies in between is far behind, and can read it alone.
                    state.begin_anew(position);
                }
                state.entrance(position)
            }
        };
        match place {
            Some(number) => state.pieces_from(number, limit, more),
            None => Found::Nothing { through: state.next_entrance(position) },
        }
    }

    /// Puts a heartbeat among the pieces, for all readers to get, unless there was one a moment ago.
    /// `text` makes the heartbeat at a position. Returns whether there may be something new to read.
    pub(crate) fn beat(
        self: &Arc<Self>,
        hub: &Hub,
        keys: &[TopicKey],
        limit: BatchLimit,
        text: impl FnOnce(u64) -> Vec<u8>,
    ) -> bool {
        let (interval, now) = (hub.config().heartbeat_interval.unwrap_or_default(), Instant::now());
        let mut state = self.state.lock();
        if state.last_heartbeat.is_some_and(|last| now.duration_since(last) < interval / 2) {
            return false;
        }
        if state.read_on(hub, keys, limit) {
            // What is there to be read tells as much as a heartbeat.
            return true;
        }
        state.last_heartbeat = Some(now);
        let was_idle = !std::mem::take(&mut state.has_events_since_heartbeat);
        let position = state.position;
        let text = text(position);
        let told = Told { heartbeat: true, ..Told::default() };
        state.append(&text, || Chunk::new(&standing_alone(&text)), position, Kind::Heartbeat, told);
        if was_idle {
            state.rest();
        }
        true
    }

    /// Whether there are readers enough for a compressor. Each of them holds the context.
    fn is_worth_it(self: &Arc<Self>) -> bool {
        Arc::strong_count(self) >= MIN_READERS
    }
}

struct State {
    permits: Arc<Permits>,
    /// The pieces are about what comes after this sequence.
    begin: u64,
    /// All events of the topics from there up to this sequence were made into pieces.
    position: u64,
    pieces: VecDeque<Piece>,
    /// The number of the first piece that is kept.
    first: u64,
    kept_bytes: usize,
    /// The epoch that goes on; `None` between two of them.
    epoch: Option<Epoch>,
    last_heartbeat: Option<Instant>,
    has_events_since_heartbeat: bool,
}

struct Epoch {
    deflater: Lent,
    n_bytes: usize,
}

/// All that the topics have after one sequence and up to another, which is one event or a heartbeat.
struct Piece {
    chunk: Chunk,
    after: u64,
    through: u64,
    kind: Kind,
    /// It refers to nothing before it.
    begins_epoch: bool,
    told: Told,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Event,
    Heartbeat,
}

impl State {
    /// The number of the piece that comes next.
    fn end(&self) -> u64 {
        self.first + self.pieces.len() as u64
    }

    fn is_in_use(&self) -> bool {
        !self.pieces.is_empty() || self.epoch.is_some()
    }

    /// Drops all pieces. The next one begins an epoch after this sequence.
    fn begin_anew(&mut self, begin: u64) {
        // Nobody stands at the new beginning: who stood at the end may lack events before it.
        self.first = self.end() + 1;
        self.pieces.clear();
        self.kept_bytes = 0;
        self.epoch = None;
        (self.begin, self.position) = (begin, begin);
    }

    /// Gives back what is too large to be kept for events that may never come. The last piece stays.
    fn rest(&mut self) {
        self.epoch = None;
        while self.pieces.len() > 1 {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(piece) = self.pieces.pop_front() {
            self.kept_bytes -= piece.chunk.coded().len();
            self.first += 1;
        }
    }

    /// Makes the next events of the log into pieces. Returns whether there are more.
    fn read_on(&mut self, hub: &Hub, keys: &[TopicKey], limit: BatchLimit) -> bool {
        let topics = hub.topics().read();
        let (reading, head) = (topics.read(keys, Place::at(self.position), limit), topics.head());
        // Nobody who publishes waits while this compresses.
        drop(topics);
        let Reading::Batch { entries, position, more } = reading else {
            self.begin_anew(head);
            return false;
        };
        for entry in entries {
            let text = entry.plain().content();
            let told = Told::event(entry.appended_at(), text.len(), 0);
            self.append(&text, || entry.standing_alone().clone(), entry.sequence(), Kind::Event, told);
            self.has_events_since_heartbeat = true;
        }
        self.position = position;
        more
    }

    /// Makes the next piece. `alone`: as a block that refers to nothing.
    fn append(&mut self, text: &[u8], alone: impl FnOnce() -> Chunk, through: u64, kind: Kind, mut told: Told) {
        let begins_epoch = self.epoch.is_none();
        if begins_epoch {
            self.epoch = deflater::lend(&self.permits).map(|deflater| Epoch { deflater, n_bytes: 0 });
        }
        let chunk = match &mut self.epoch {
            None => alone(),
            Some(epoch) => {
                epoch.n_bytes += text.len();
                Chunk::new(&epoch.deflater.block(text))
            }
        };
        if self.epoch.as_ref().is_some_and(|epoch| epoch.n_bytes >= EPOCH_BYTES) {
            self.epoch = None;
        }
        if kind == Kind::Event {
            told.sent_bytes = chunk.content_bytes();
        }
        self.kept_bytes += chunk.coded().len();
        self.pieces.push_back(Piece { chunk, after: self.position, through, kind, begins_epoch, told });
        self.position = through;
        while self.kept_bytes > KEPT_BYTES && self.pieces.len() > 1 {
            self.drop_oldest();
        }
    }

    /// The piece with which a reader can begin that has everything up to `position` and stands alone.
    fn entrance(&self, position: u64) -> Option<u64> {
        let from = self.pieces.partition_point(|piece| piece.through < position);
        let fits = |piece: &Piece| piece.begins_epoch && (piece.through > position || piece.kind == Kind::Heartbeat);
        let ahead = self.pieces.range(from..).take_while(|piece| piece.after <= position).position(fits);
        if let Some(ahead) = ahead {
            return Some(self.first + (from + ahead) as u64);
        }
        // Behind the last piece, when the next one begins an epoch.
        let through = self.pieces.back().map_or(self.begin, |last| last.through);
        (self.epoch.is_none() && position >= through).then(|| self.end())
    }

    /// How far a reader must read alone before there is an entrance again.
    fn next_entrance(&self, position: u64) -> u64 {
        let from = self.pieces.partition_point(|piece| piece.after <= position);
        let ahead = self.pieces.range(from..).find(|piece| piece.begins_epoch).map(|piece| piece.after);
        // Of what is not in a piece yet, nobody knows what it will begin.
        ahead.unwrap_or(self.position.max(position))
    }

    fn pieces_from(&self, number: u64, limit: BatchLimit, more: bool) -> Found {
        let from = (number - self.first) as usize;
        let (mut chunks, mut n_bytes, mut told) = (Vec::new(), 0, Told::default());
        let mut position = None;
        for piece in self.pieces.range(from..) {
            if chunks.len() >= limit.events || n_bytes >= limit.bytes {
                break;
            }
            n_bytes += piece.chunk.coded().len();
            told = told.and(piece.told);
            position = Some(piece.through);
            chunks.push(piece.chunk.clone());
        }
        let next = number + chunks.len() as u64;
        let has_all = next == self.end();
        Found::Pieces {
            track: Track::Shared(next),
            // Behind the last piece it has passed what other topics had meanwhile.
            position: position.filter(|_| !has_all).unwrap_or(self.position),
            more: more || !has_all,
            told,
            chunks,
        }
    }
}

/// The contexts of one hub.
pub(crate) struct Contexts {
    permits: Arc<Permits>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    by_topics: HashMap<Box<[Topic]>, Weak<SharedContext>>,
    /// From so many on it looks for those that nobody has any more.
    sweep_at: usize,
}

impl Contexts {
    pub(crate) fn new() -> Self {
        Self { permits: deflater::permits(), known: Mutex::default() }
    }

    /// The one context of some topics, in whatever order they are named. `head`: where a new one begins.
    pub(crate) fn of(&self, topics: &[Topic], head: u64) -> Arc<SharedContext> {
        let mut topics = topics.to_vec();
        topics.sort_unstable();
        topics.dedup();
        let mut known = self.known.lock();
        if let Some(context) = known.by_topics.get(&*topics).and_then(Weak::upgrade) {
            return context;
        }
        if known.by_topics.len() >= known.sweep_at {
            known.by_topics.retain(|_, context| context.strong_count() > 0);
            known.sweep_at = 2 * known.by_topics.len() + MIN_SWEEP;
        }
        let context = Arc::new(SharedContext::new(Arc::clone(&self.permits), head));
        known.by_topics.insert(topics.into(), Arc::downgrade(&context));
        context
    }
}
