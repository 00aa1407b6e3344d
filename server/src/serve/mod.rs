//! The server: an accept loop that knows how to drain.
//!
//! It owns the listener and the life of each connection; what is answered on one is the router's
//! business. `axum::serve` would do for a start, but it arms no header timeout and waits for open
//! streams for ever.

mod listener;
mod shutdown;

#[cfg(feature = "cli")]
pub(crate) mod guard;

pub use listener::listen;
pub use shutdown::Shutdown;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io;
use std::pin::pin;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long a client may take to send the head of a request, and an idle connection to send another.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long accepting pauses when the machine has no room for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long sent bytes may go unacknowledged: a peer that vanished without a word is noticed then.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED_TIMEOUT: Duration = Duration::from_secs(30);

/// Answers requests by a router until it is told to stop, and then drains the hub.
///
/// Stopping goes in this order: no more connections are accepted; idle ones are closed; streams get
/// `closing: draining` and end over the hub's drain window; requests that are under way are answered.
/// When all is done, or at a hard deadline 5 s behind the drain window, this returns.
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
    let Shutdown { hub, requested, forced } = shutdown;
    let (mut requested, mut forced) = (requested, pin!(forced));
    let (stopping, _) = watch::channel(false);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = &mut requested => break,
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => {
                    connections.spawn(connection(socket, router.clone(), stopping.subscribe()));
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
    let all_ended = async { while connections.join_next().await.is_some() {} };
    tokio::select! {
        () = all_ended => {}
        () = tokio::time::sleep(hub.config().drain_window + shutdown::GRACE) => tracing::warn!("the drain deadline has passed"),
        () = &mut forced => tracing::warn!("stopped at once"),
    }
}

/// The life of one connection.
async fn connection(socket: TcpStream, router: Router, mut stopping: watch::Receiver<bool>) {
    if let Err(err) = set_up(&socket) {
        tracing::debug!(%err, "a socket option was refused");
    }
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(socket), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    let stopped = async { drop(stopping.wait_for(|stopping| *stopping).await) };
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = stopped => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(err) = ended {
        // Clients leave in every way there is: no news for anyone but a debugger.
        tracing::debug!(%err, "a connection ended");
    }
}

fn set_up(socket: &TcpStream) -> io::Result<()> {
    // Events are small and already batched: waiting for more only makes them late.
    socket.set_nodelay(true)?;
    #[cfg(target_os = "linux")]
    socket2::SockRef::from(socket).set_tcp_user_timeout(Some(UNACKNOWLEDGED_TIMEOUT))?;
    Ok(())
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
