//! `POST /events/ticket`: a ticket for somebody who is known, to open a stream with.

use crate::auth::{Caller, Tickets};
use crate::problem::Problem;
use axum::http::header;
use axum::response::IntoResponse;
use axum::{Extension, Json};
use heartwire_protocol::answer::TicketAnswer;

/// Where access is open there are no tickets, and nothing is at this path.
pub(super) async fn issue(caller: Caller, tickets: Option<Extension<Tickets>>) -> Result<impl IntoResponse, Problem> {
    let Some(Extension(tickets)) = tickets else { return Err(Problem::NotFound) };
    let ticket = tickets.issue(caller.known()?)?;
    let answer = TicketAnswer { ticket, expires_in: tickets.ttl().as_secs_f64() };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(answer)))
}
