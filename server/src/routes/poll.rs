//! `GET /events/poll`: the events after a cursor, as JSON.
//!
//! A poll is a subscription that lives for one answer, so it resumes by the very rules of a stream
//! and a client moves between the two without losing or repeating anything.

use super::query::PollQuery;
use crate::auth::Caller;
use crate::coding::KeepAsIs;
use crate::entry::Entry;
use crate::hub::Hub;
use crate::problem::Problem;
use crate::subscription::{Delivery, Resume};
use crate::topics::BatchLimit;
use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use heartwire_protocol::answer::{PollAnswer, PolledEvent};
use std::sync::Arc;

/// What one answer holds at most; its cursor then points at the last event that it has.
const ANSWER: BatchLimit = BatchLimit { events: 1_000, bytes: 1024 * 1024, through: u64::MAX };

pub(super) async fn poll(query: PollQuery, caller: Caller, State(hub): State<Hub>) -> Result<Response, Problem> {
    caller.check_may_read(&query.topics)?;
    if !hub.has_room_for_topics(&query.topics) {
        return Err(Problem::NoRoomForTopic);
    }
    let mut subscription = hub.subscribe(&query.topics, query.resume);
    let gap = subscription.take_gap();
    if let Some(gap) = &gap {
        hub.metrics().told_gap(gap.reason);
    }
    let begin = subscription.cursor();
    // A client without a cursor wants one, and a client with a gap wants to know at once.
    let delivery = if query.resume == Resume::Live || gap.is_some() {
        subscription.read(ANSWER)
    } else {
        let wait = caller.remaining().map_or(query.wait, |remaining| remaining.min(query.wait));
        let waited = tokio::time::timeout(wait, subscription.next_within(ANSWER)).await;
        // Reading once more moves the cursor past what other topics got in the meantime.
        waited.ok().or_else(|| subscription.read(ANSWER))
    };
    let (events, cursor) = match delivery {
        Some(Delivery::Events(entries)) => (entries.iter().map(polled).collect(), subscription.cursor()),
        None => (Vec::new(), subscription.cursor()),
        // Whatever came between is told by the next poll, which resumes from the same cursor: a poll is
        // never moved forward, since it holds nobody up.
        Some(Delivery::Gap(_) | Delivery::Ended(_)) => (Vec::new(), begin),
    };
    let answer = PollAnswer { events, cursor: cursor.to_string(), gap };
    let mut response = ([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response();
    if !hub.config().compresses_streams_of(&query.topics) {
        response.extensions_mut().insert(KeepAsIs);
    }
    Ok(response)
}

fn polled(entry: &Arc<Entry>) -> PolledEvent {
    PolledEvent {
        id: entry.cursor().to_string(),
        event_type: entry.event_type().as_str().into(),
        data: entry.data().as_str().into(),
        topic: entry.topic().as_str().into(),
    }
}
