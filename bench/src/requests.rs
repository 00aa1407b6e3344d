//! How many requests a server gets when its clients stream, and how many when they poll every two
//! seconds: the same clients, the same events, the same minutes.
//!
//! Two hubs run in this process, one with streaming switched on and one with it switched off. Each has a
//! layer that counts what comes in, questions after the health included.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use clap::Args;
use heartwire::client::{Subscriber, SubscriberUrl, Update};
use heartwire::{EventType, Hub, HubConfig, Shutdown, Topic};
use heartwire_protocol::connection::Settings;
use tokio::task::JoinSet;

use crate::stop::Stop;

/// What the clients of the systems do that Heartwire takes the place of.
const POLL_INTERVAL: Duration = Duration::from_secs(2);
const TOPIC: &str = "downloads";

/// How many requests do streams save?
#[derive(Args, Debug)]
pub(crate) struct RequestArgs {
    /// How many clients stream, and how many poll
    #[arg(long, default_value_t = 20, value_name = "N")]
    clients: usize,
    /// How long, in minutes
    #[arg(long, default_value_t = 5.0, value_name = "MINUTES")]
    minutes: f64,
    /// Events a second
    #[arg(long, default_value_t = 1.0, value_name = "N")]
    rate: f64,
}

/// Counts the requests and prints them.
pub(crate) fn requests(args: &RequestArgs, stop: &Stop) -> Result<()> {
    ensure!(args.clients > 0 && args.minutes > 0.0 && args.rate > 0.0, "clients, minutes and rate must be above zero");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start")?;
    runtime.block_on(run(args, stop))
}

/// A hub, its clients, and what they cost.
struct Side {
    hub: Hub,
    n_requests: Arc<AtomicU64>,
    n_delivered: Arc<AtomicU64>,
    /// The clients end with it.
    _clients: JoinSet<()>,
}

impl Side {
    async fn start(n_clients: usize, enable_sse: bool) -> Result<Self> {
        let hub = Hub::new(HubConfig { enable_sse, ..HubConfig::default() })?;
        let n_requests = Arc::new(AtomicU64::new(0));
        let router: Router = heartwire::router(hub.clone()).layer(from_fn_with_state(Arc::clone(&n_requests), count));
        let listener = heartwire::listen(([127, 0, 0, 1], 0).into())?;
        let url = format!("http://{}/", listener.local_addr()?).parse()?;
        let url = SubscriberUrl::new(&url, &[Topic::parse(TOPIC)?])?;
        tokio::spawn(heartwire::serve(listener, router, Shutdown::when(hub.clone(), std::future::pending())));
        let n_delivered = Arc::new(AtomicU64::new(0));
        let mut clients = JoinSet::new();
        for seed in 0..n_clients as u64 {
            // A poll that is held back until there is something to tell would be no poll of theirs.
            let settings = Settings {
                enabled: enable_sse,
                poll_interval: POLL_INTERVAL,
                poll_wait: Duration::ZERO,
                seed,
                ..Settings::default()
            };
            let mut subscriber = Subscriber::new(url.clone(), settings)?;
            let n_delivered = Arc::clone(&n_delivered);
            clients.spawn(async move {
                while let Some(update) = subscriber.next().await {
                    n_delivered.fetch_add(u64::from(matches!(update, Update::Event(_))), Ordering::Relaxed);
                }
            });
        }
        Ok(Self { hub, n_requests, n_delivered, _clients: clients })
    }

    fn figures(&self) -> (u64, u64) {
        (self.n_requests.load(Ordering::Relaxed), self.n_delivered.load(Ordering::Relaxed))
    }
}

async fn count(State(n_requests): State<Arc<AtomicU64>>, request: Request, next: Next) -> axum::response::Response {
    n_requests.fetch_add(1, Ordering::Relaxed);
    next.run(request).await
}

async fn run(args: &RequestArgs, stop: &Stop) -> Result<()> {
    let (streams, polls) = (Side::start(args.clients, true).await?, Side::start(args.clients, false).await?);
    let topic = Topic::parse(TOPIC)?;
    let mut interval = tokio::time::interval(Duration::from_secs_f64(1.0 / args.rate));
    let n_events = (args.minutes * 60.0 * args.rate).ceil() as u64;
    for number in 0..n_events {
        interval.tick().await;
        stop.check()?;
        for side in [&streams, &polls] {
            side.hub.publish(&topic, &EventType::default(), &number.to_string()).await?;
        }
    }
    let ((by_stream, streamed), (by_poll, polled)) = (streams.figures(), polls.figures());
    let saved = 100.0 * (1.0 - by_stream as f64 / by_poll as f64);
    println!(
        "{} clients, {n_events} events in {} min\n\
         streams:            {by_stream} requests, {streamed} deliveries\n\
         polls every 2 s:    {by_poll} requests, {polled} deliveries\n\
         requests saved:     {saved:.1} %",
        args.clients, args.minutes
    );
    Ok(())
}
