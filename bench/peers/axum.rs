//! A peer of the benchmark: axum's `Sse` over a tokio broadcast channel, as its documentation and
//! many applications have it. `heartwire-bench-axum PORT HEARTBEAT_SECONDS`

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::{Stream, StreamExt as _};

/// How many events a reader may be behind before it loses some.
const CAPACITY: usize = 1024;

#[derive(Clone)]
struct App {
    events: broadcast::Sender<Arc<str>>,
    heartbeat: Duration,
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let port: u16 = args.next().context("name a port")?.parse().context("the port")?;
    let heartbeat_seconds =
        args.next().context("name the seconds between heartbeats")?.parse().context("the seconds")?;
    let app = App { events: broadcast::channel(CAPACITY).0, heartbeat: Duration::from_secs(heartbeat_seconds) };
    let router = Router::new().route("/events", get(subscribe).post(publish)).with_state(app);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.context("cannot listen")?;
    axum::serve(listener, router).await.context("cannot serve")
}

async fn subscribe(State(app): State<App>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    // What a reader has missed is passed over without a word, as applications commonly do.
    let events = BroadcastStream::new(app.events.subscribe()).filter_map(Result::ok);
    let events = events.map(|data| Ok(Event::default().data(data)));
    Sse::new(events).keep_alive(KeepAlive::new().interval(app.heartbeat))
}

async fn publish(State(app): State<App>, body: String) -> StatusCode {
    // Fails when nobody reads, which is no fault of the publisher.
    let _ = app.events.send(body.into());
    StatusCode::NO_CONTENT
}
