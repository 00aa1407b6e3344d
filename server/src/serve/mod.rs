//! The server: an accept loop that knows how to drain, and a lean lane for streams.
//!
//! It owns the listener and the life of each connection; what is answered on one is the router's
//! business. `axum::serve` would do for a start, but it arms no header timeout, waits for open
//! streams for ever, and keeps a task and two buffers for each.

mod connection;
mod head;
mod intercept;
mod lean;
mod listener;
mod shutdown;
#[cfg(feature = "tls")]
mod tls;
mod vanished;

#[cfg(feature = "cli")]
pub(crate) mod guard;

pub use listener::listen;
pub use shutdown::Shutdown;
#[cfg(feature = "tls")]
pub use tls::{Tls, TlsError};

use axum::Router;
use lean::{Entrance, Lane};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long accepting pauses when the machine has no room for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Answers requests by a router until it is told to stop, and then drains the hub.
///
/// Stopping goes in this order: no more connections are accepted; idle ones are closed; streams get
/// `closing: draining` and end over the hub's drain window; requests that are under way are answered.
/// When all is done, or at a hard deadline 5 s behind the drain window, this returns.
///
/// A stream request passes the whole router, middleware included, like any other. Behind it, over
/// HTTP/1, the socket is taken over by a few threads that write the streams of all readers: an
/// idle stream costs about a kilobyte. Middleware that changes a stream's bytes is respected: such a
/// stream runs through hyper, as it does in any other server.
///
/// Raises the process's limit of open files to what the system allows.
///
/// ```no_run
/// use heartwire::{Hub, Shutdown};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let hub = Hub::default();
/// let listener = heartwire::listen("127.0.0.1:8080".parse().unwrap())?;
/// heartwire::serve(listener, heartwire::router(hub.clone()), Shutdown::on_signals(hub)?).await;
/// # Ok(())
/// # }
/// ```
pub async fn serve(listener: TcpListener, router: Router, shutdown: Shutdown) {
    let run = |connection, lane, stopping| connection::run(connection, router.clone(), lane, stopping);
    accept_until_stopped(listener, shutdown, run).await;
}

/// [`serve`], over TLS. Clients choose between HTTP/2 and HTTP/1.1.
///
/// Streams run as ordinary bodies: each takes a task and the buffers of TLS and HTTP, some tens of
/// kilobytes. Where readers are many, a proxy that ends TLS in front of [`serve`] carries more of them.
///
/// ```no_run
/// use heartwire::{Hub, Shutdown, Tls};
/// use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let tls = Tls::read("cert.pem", "key.pem")?;
/// let renewed = tls.clone();
/// tokio::spawn(async move { renewed.reload_when_changed(Duration::from_secs(60)).await });
///
/// let hub = Hub::default();
/// let listener = heartwire::listen("127.0.0.1:8443".parse()?)?;
/// heartwire::serve_tls(listener, tls, heartwire::router(hub.clone()), Shutdown::on_signals(hub)?).await;
/// # Ok(())
/// # }
/// ```
#[cfg(feature = "tls")]
pub async fn serve_tls(listener: TcpListener, tls: Tls, router: Router, shutdown: Shutdown) {
    let run = |connection, _, stopping| connection::run_tls(connection, tls.clone(), router.clone(), stopping);
    accept_until_stopped(listener, shutdown, run).await;
}

async fn accept_until_stopped<Connection>(
    listener: TcpListener,
    shutdown: Shutdown,
    run: impl Fn((TcpStream, SocketAddr), Entrance, watch::Receiver<bool>) -> Connection,
) where
    Connection: Future<Output = ()> + Send + 'static,
{
    let Shutdown { hub, requested, forced } = shutdown;
    let (mut requested, mut forced) = (requested, pin!(forced));
    let (stopping, _) = watch::channel(false);
    raise_file_limit();
    let mut lane = Lane::start();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = &mut requested => break,
            accepted = listener.accept() => match accepted {
                Ok(connection) => {
                    connections.spawn(run(connection, lane.entrance(), stopping.subscribe()));
                }
                Err(err) => accept_failed(&err).await,
            },
            // Ended tasks are taken out as they end; otherwise each would be kept until the last one.
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    hub.drain();
    stopping.send_replace(true);
    tracing::info!(streams = hub.active_connections(), "draining");
    let all_ended = async {
        // A connection may still hand in its stream; then the lane has them all.
        while connections.join_next().await.is_some() {}
        lane.finished().await;
    };
    tokio::select! {
        () = all_ended => {}
        () = tokio::time::sleep(hub.config().drain_window + shutdown::GRACE) => tracing::warn!("the drain deadline has passed"),
        () = &mut forced => tracing::warn!("stopped at once"),
    }
}

async fn accept_failed(err: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if matches!(err.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        // The client was gone before it was accepted.
        return;
    }
    // Most likely no file descriptor is left. Trying again at once would take all of a core.
    tracing::warn!(%err, "cannot accept a connection");
    tokio::time::sleep(ACCEPT_PAUSE).await;
}

fn raise_file_limit() {
    #[cfg(unix)]
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) => tracing::info!(limit, "open files"),
        Err(err) => tracing::warn!(%err, "the limit of open files stays as it is"),
    }
}
