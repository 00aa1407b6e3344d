//! How the hub is: for clients, for load balancers, for people.

use super::query::ClientId;
use crate::hub::Hub;
use crate::metrics::process;
use crate::stream_permits::Holder;
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use heartwire_protocol::answer::HealthAnswer;
use serde::Serialize;

/// `GET /events/health`: may a client open a stream here?
pub(super) async fn streaming(
    ClientId(client_id): ClientId,
    holder: Holder,
    State(hub): State<Hub>,
) -> impl IntoResponse {
    let answer = HealthAnswer {
        enabled: hub.is_enabled_for(client_id.as_deref(), &holder),
        active_connections: hub.active_connections() as u64,
        max_connections: hub.config().max_connections.map(|max| max as u64),
        heartbeat_interval: hub.config().heartbeat_interval.map(|interval| interval.as_secs_f64()),
    };
    ([(header::CACHE_CONTROL, "no-store")], Json(answer))
}

#[derive(Serialize)]
struct OverviewAnswer {
    status: &'static str,
    checks: Checks,
    metrics: Figures,
}

/// Whether each lies below its threshold.
#[derive(Serialize)]
struct Checks {
    memory: bool,
    sessions: bool,
}

/// Sessions are topics, and subscribers open streams, in the words of those who ask.
#[derive(Serialize)]
struct Figures {
    memory_mb: f64,
    sessions: usize,
    subscribers: usize,
}

/// `GET /health`: is all as it should be? A hub that is not still works, so the status is 200.
pub(super) async fn overview(State(hub): State<Hub>) -> impl IntoResponse {
    const MB: f64 = 1024.0 * 1024.0;
    let config = &hub.config().watch;
    let bytes = process::resident_bytes().unwrap_or_else(|| hub.used_bytes() as u64);
    let memory_mb = (bytes as f64 / MB * 10.0).round() / 10.0;
    let sessions = hub.topics().read().len();
    let checks =
        Checks { memory: memory_mb < config.health_memory_mb as f64, sessions: sessions < config.health_topics };
    let status = if checks.memory && checks.sessions { "healthy" } else { "degraded" };
    let metrics = Figures { memory_mb, sessions, subscribers: hub.active_connections() };
    ([(header::CACHE_CONTROL, "no-store")], Json(OverviewAnswer { status, checks, metrics }))
}

#[derive(Serialize)]
struct LiveAnswer {
    status: &'static str,
}

/// `GET /health/live`: does the process run?
pub(super) async fn live() -> impl IntoResponse {
    ([(header::CACHE_CONTROL, "no-store")], Json(LiveAnswer { status: "alive" }))
}

#[derive(Serialize)]
struct ReadyAnswer {
    status: &'static str,
    ready: bool,
}

/// `GET /health/ready`: should clients be sent here? 503 when not.
pub(super) async fn ready(State(hub): State<Hub>) -> impl IntoResponse {
    let (code, status, ready) = match hub.is_ready() {
        true => (StatusCode::OK, "ready", true),
        false => (StatusCode::SERVICE_UNAVAILABLE, "not_ready", false),
    };
    (code, [(header::CACHE_CONTROL, "no-store")], Json(ReadyAnswer { status, ready }))
}
