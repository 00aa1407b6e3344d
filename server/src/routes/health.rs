//! `GET /events/health`: may a client open a stream here? `GET /health/live`: does the process run?

use crate::hub::Hub;
use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use heartwire_protocol::answer::HealthAnswer;
use serde::Serialize;

pub(super) async fn streaming(State(hub): State<Hub>) -> impl IntoResponse {
    let answer = HealthAnswer {
        enabled: hub.is_enabled(),
        active_connections: hub.active_connections() as u64,
        max_connections: hub.config().max_connections.map(|max| max as u64),
        heartbeat_interval: hub.config().heartbeat_interval.map(|interval| interval.as_secs_f64()),
    };
    ([(header::CACHE_CONTROL, "no-store")], Json(answer))
}

#[derive(Serialize)]
struct LiveAnswer {
    status: &'static str,
}

pub(super) async fn live() -> impl IntoResponse {
    ([(header::CACHE_CONTROL, "no-store")], Json(LiveAnswer { status: "alive" }))
}
