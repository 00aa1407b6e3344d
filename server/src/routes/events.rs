//! `GET /events`: the stream.

use super::query::StreamQuery;
use crate::hub::Hub;
use crate::problem::Problem;
use crate::stream::EventStream;
use axum::extract::State;

pub(super) async fn stream(query: StreamQuery, State(hub): State<Hub>) -> Result<EventStream, Problem> {
    // Before the look at the switch, so that a stream which just slips in is ended by the throw.
    let switched_off_total = hub.switched_off_total();
    if !hub.is_enabled() {
        return Err(Problem::Disabled);
    }
    let permit = hub.stream_permit().ok_or(Problem::TooManyConnections)?;
    let subscription = hub.subscribe(&query.topics, query.resume);
    Ok(EventStream::new(subscription.ending_with_the_switch(switched_off_total), query.frames, permit))
}
