//! `GET /metrics` and `GET /events/stats`: what the hub counts, for Prometheus and for people.

use crate::auth::Caller;
use crate::hub::Hub;
use crate::metrics::{self, Snapshot};
use crate::problem::Problem;
use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

pub(super) async fn metrics(caller: Caller, State(hub): State<Hub>) -> Result<impl IntoResponse, Problem> {
    if !hub.metrics().is_on() {
        return Err(Problem::NotFound);
    }
    if !hub.config().watch.metrics_public {
        caller.check_is_admin()?;
    }
    let headers = [(header::CONTENT_TYPE, metrics::CONTENT_TYPE), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, metrics::text(&hub)))
}

pub(super) async fn stats(caller: Caller, State(hub): State<Hub>) -> Result<impl IntoResponse, Problem> {
    if !hub.metrics().is_on() {
        return Err(Problem::NotFound);
    }
    caller.check_is_admin()?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(Snapshot::take(&hub, None))))
}
