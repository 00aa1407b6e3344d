//! The lean lane: streams that are written straight to their sockets.
//!
//! hyper and axum have answered a stream request in full; what is left of it is a socket and a place
//! in the log. A few shards, one thread for each core, own all of these. A publish wakes a shard
//! once and not its thousand readers, and an idle stream costs no task, no timer and no buffer.
//!
//! What a stream says stands in [`script`](crate::stream::script), as for the ordinary lane.

mod calendar;
mod doorbell;
mod group;
mod line;
mod memo;
mod shard;
mod tally;

use crate::coding::Coding;
use crate::stream::EventStream;
use axum::body::Body;
use doorbell::{Doorbell, Ending};
use shard::Shard;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::thread;
use tokio::sync::mpsc;

/// A stream on its way into the lane.
pub(super) struct Arrival {
    pub(super) socket: std::net::TcpStream,
    /// The head of the answer, which nobody has written yet.
    pub(super) head: Vec<u8>,
    pub(super) coding: Coding,
    pub(super) stream: Box<EventStream>,
    /// The body that the stream was taken out of. Middleware may have tied something to its life.
    pub(super) body: Body,
}

/// The shards of one server. Dropping it ends them with all their streams.
pub(super) struct Lane {
    entrance: Entrance,
    /// Closed when the last shard has ended.
    ended: mpsc::Receiver<Infallible>,
}

/// Where streams are handed in.
#[derive(Clone)]
pub(super) struct Entrance(Arc<[Arc<Doorbell>]>);

impl Lane {
    /// Starts a shard for each core; fewer, or none, where the machine refuses.
    pub(super) fn start() -> Self {
        let (running, ended) = mpsc::channel(1);
        let n_shards = thread::available_parallelism().map_or(1, usize::from);
        let start = |number| match start_shard(number, running.clone()) {
            Ok(doorbell) => Some(doorbell),
            Err(err) => {
                tracing::warn!(%err, "a writer of streams cannot be started");
                None
            }
        };
        Self { entrance: Entrance((0..n_shards).filter_map(start).collect()), ended }
    }

    pub(super) fn entrance(&self) -> Entrance {
        self.entrance.clone()
    }

    /// Resolves when all streams have ended. No more may be handed in.
    pub(super) async fn finished(&mut self) {
        self.end(Ending::WhenEmpty);
        while self.ended.recv().await.is_some() {}
    }

    fn end(&self, ending: Ending) {
        for shard in self.entrance.0.iter() {
            shard.end(ending);
        }
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.end(Ending::AtOnce);
    }
}

impl Entrance {
    /// Without shards, streams run as ordinary bodies.
    pub(super) fn is_open(&self) -> bool {
        !self.0.is_empty()
    }

    /// Hands a stream to the shard that has the fewest.
    pub(super) fn hand_in(&self, arrival: Arrival) {
        if let Some(shard) = self.0.iter().min_by_key(|shard| shard.n_lines()) {
            shard.hand_in(arrival);
        }
    }
}

fn start_shard(number: usize, running: mpsc::Sender<Infallible>) -> io::Result<Arc<Doorbell>> {
    let shard = Shard::new()?;
    let doorbell = shard.doorbell();
    thread::Builder::new().name(format!("heartwire-{number}")).spawn(move || {
        shard.run();
        drop(running);
    })?;
    Ok(doorbell)
}
