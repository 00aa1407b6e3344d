//! The HTTP interface, one file per resource. Handlers are thin: extractors parse, the hub acts.

mod accept_encoding;
mod admin;
mod body;
mod events;
mod health;
mod poll;
mod publish;
mod query;
#[cfg(feature = "auth")]
mod ticket;
mod watch;

use crate::hub::Hub;
use crate::metrics::refusals;
use crate::problem::Problem;
use crate::soft_refusal;
use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get, put};
use tower::ServiceBuilder;

/// The routes of a hub, to be mounted in any axum app, under any prefix.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let hub = heartwire::Hub::default();
/// let app: axum::Router = axum::Router::new().nest("/live", heartwire::router(hub));
/// // Pages now read `/live/events?topic=...`.
/// # }
/// ```
///
/// | request | answer |
/// |---|---|
/// | `GET /events?topic=T` | the stream; `topic` can be repeated |
/// | `GET /events/poll?topic=T&cursor=C&wait=25` | the events after a cursor, as JSON |
/// | `POST /events?topic=T&type=E` | publishes the body |
/// | `POST /events/ticket` | a ticket that opens one stream, for whoever is [known](crate::auth) |
/// | `GET /events/health` | whether a stream can be had |
/// | `GET /health` | how much it holds, against thresholds |
/// | `GET /health/live` | whether the process runs |
/// | `GET /health/ready` | whether clients should be sent here; 503 when not |
///
/// A body is published as it is: UTF-8 text, one event, answered by `{"id":"..."}`. With the content
/// type `application/x-ndjson` each line is an event, `{"topic":"...","type":"...","data":...}`; `data`
/// may be a string, or any other JSON value, which is published as it is written. The query's topic and
/// type stand in where a line names none. All lines are published next to each other, or none is;
/// the answer is `{"ids":[...]}`.
///
/// Whoever reaches these routes can read and publish, unless a layer in front of them says who that is, and
/// so what it may do: see [`auth`](crate::auth). A service that publishes by [`Hub::publish`] alone mounts
/// [`reader_router`].
pub fn router(hub: Hub) -> Router {
    refusing(bare_router(hub.clone()), hub)
}

/// The routes of those who read: as [`router`], without publishing, which is 405 here.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let hub = heartwire::Hub::default();
/// let app: axum::Router = axum::Router::new().nest("/live", heartwire::reader_router(hub));
/// // Nobody publishes by `POST /live/events?topic=...`.
/// # }
/// ```
pub fn reader_router(hub: Hub) -> Router {
    refusing(routes(get(events::stream)).with_state(hub.clone()), hub)
}

/// As [`router`], for an app that counts and softens refusals itself, those of its own layers among them.
pub(crate) fn bare_router(hub: Hub) -> Router {
    routes(get(events::stream).post(publish::publish)).with_state(hub)
}

fn refusing(routes: Router, hub: Hub) -> Router {
    let layers = ServiceBuilder::new()
        .layer(from_fn_with_state(hub.clone(), soft_refusal::soften))
        .layer(from_fn_with_state(hub, refusals::count));
    routes.layer(layers)
}

fn routes(events: MethodRouter<Hub>) -> Router<Hub> {
    let routes = Router::new()
        .route("/events", events.fallback(method_not_allowed))
        .route("/events/poll", get(poll::poll).fallback(method_not_allowed))
        .route("/events/health", get(health::streaming).fallback(method_not_allowed))
        .route("/health", get(health::overview).fallback(method_not_allowed))
        .route("/health/live", get(health::live).fallback(method_not_allowed))
        .route("/health/ready", get(health::ready).fallback(method_not_allowed));
    #[cfg(feature = "auth")]
    let routes = routes.route("/events/ticket", axum::routing::post(ticket::issue).fallback(method_not_allowed));
    routes
}

/// The routes of an operator: `PUT /events/switch` with `{"enabled":false}` throws the hub's switch.
///
/// Whoever reaches this can end all streams. It must be protected: by a layer that says who a request comes
/// from, of whom only an [admin](crate::auth::Identity::is_admin) gets through, or by where it is mounted.
pub fn admin_router(hub: Hub) -> Router {
    Router::new().route("/events/switch", put(admin::switch).fallback(method_not_allowed)).with_state(hub)
}

/// The routes of whoever watches a hub: `GET /metrics` for Prometheus, and `GET /events/stats`, which has the
/// addresses of clients in it. Both are 404 with `metrics` off.
///
/// They must be protected like [`admin_router`].
pub fn watch_router(hub: Hub) -> Router {
    let stats = Router::new().route("/events/stats", get(watch::stats).fallback(method_not_allowed));
    stats.with_state(hub.clone()).merge(metrics_router(hub))
}

/// `GET /metrics` alone, for where it is public and the rest is for nobody.
pub(crate) fn metrics_router(hub: Hub) -> Router {
    Router::new().route("/metrics", get(watch::metrics).fallback(method_not_allowed)).with_state(hub)
}

/// Answers whatever no route answers, as JSON like every other refusal.
#[cfg_attr(not(feature = "cli"), expect(dead_code))]
pub(crate) async fn not_found() -> Problem {
    Problem::NotFound
}

/// Whether a JSON text can only be an object. To serde's derive an array of the members' values is as
/// good, so `["a","message",1]` would be published.
fn begins_an_object(json: &[u8]) -> bool {
    json.trim_ascii_start().starts_with(b"{")
}

async fn method_not_allowed() -> Problem {
    Problem::MethodNotAllowed
}
