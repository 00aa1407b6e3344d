//! `GET /events`: the stream.

use super::accept_encoding;
use super::query::StreamQuery;
use crate::auth::Caller;
use crate::client_address::ClientAddress;
use crate::hub::Hub;
use crate::problem::Problem;
use crate::stream::{EventStream, Packing};
use crate::stream_permits::{Full, Holder};
use axum::extract::State;
use axum::http::HeaderMap;

pub(super) async fn stream(
    query: StreamQuery,
    caller: Caller,
    holder: Holder,
    headers: HeaderMap,
    State(hub): State<Hub>,
) -> Result<EventStream, Problem> {
    caller.check_may_read(&query.topics)?;
    // Before the look at the switch, so that a stream which just slips in is ended by the throw.
    let switched_off_total = hub.switched_off_total();
    if !hub.is_enabled_for(query.client_id.as_deref(), &holder) {
        return Err(Problem::Disabled);
    }
    if !hub.has_room_for_topics(&query.topics) {
        return Err(Problem::NoRoomForTopic);
    }
    let permit = hub.stream_permit(&holder)?;
    let address = holder.address.map(|ClientAddress(address)| address);
    let subscription = hub.subscribe(&query.topics, query.resume);
    let packing = packing(&query, &hub, &headers);
    let subscription = subscription.ending_with_the_switch(switched_off_total);
    Ok(EventStream::new(subscription, packing, permit, address).ending_within(caller.remaining()))
}

impl From<Full> for Problem {
    fn from(full: Full) -> Self {
        match full {
            Full::InAll => Self::TooManyConnections,
            Full::Address => Self::TooManyFromAddress,
            Full::Identity => Self::TooManyOfIdentity,
        }
    }
}

/// Gzip wins over frames: what is compressed already is not compressed again.
fn packing(query: &StreamQuery, hub: &Hub, headers: &HeaderMap) -> Packing {
    if hub.config().compresses_streams_of(&query.topics) && accept_encoding::accepts_gzip(headers) {
        return Packing::Gzip(hub.gzip_context(&query.topics));
    }
    if query.frames { Packing::Frames } else { Packing::Plain }
}
