//! The life of one connection, up to its end or to its stream's way into the lean lane.

use super::intercept::{Aside, Handover, Intercept};
use super::lean::{Arrival, Entrance};
use super::vanished::look_out;
use axum::Router;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

/// How long a client may take to send the head of a request, and an idle connection to send another.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// What the head of a request may take: a request line of 64 KiB, some thousands of topics, and cookies. More
/// gets 431.
const MAX_HEAD_BYTES: usize = 96 * 1024;
/// How many headers a request may have. More get 431.
const MAX_HEADERS: usize = 100;
/// How much the kernel, or HTTP/2, buffers for a stream. What a slow reader has not had yet should stay in the
/// log, where it can be given up; on a link of 100 ms this still carries over 1 MB a second.
const SEND_BUFFER_BYTES: usize = 64 * 1024;
/// How much of that may wait unsent before the socket counts as full.
#[cfg(target_os = "linux")]
const UNSENT_BYTES: u32 = 16 * 1024;

/// What every HTTP/2 connection begins with.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const PREFACE_PAUSE: Duration = Duration::from_millis(10);
/// The streams of one HTTP/2 connection. The usual hundred would be the tabs of one browser.
const MAX_CONCURRENT_STREAMS: u32 = 1_000;
/// How often an HTTP/2 peer is asked whether it is there, and how long it may take to answer.
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// How hyper's part of a connection ended.
enum Left {
    Ended(hyper::Result<()>),
    TakenOver(Handover),
}

/// Answers the requests of a connection until it ends, one way or another.
pub(super) async fn run(
    (socket, peer): (TcpStream, SocketAddr),
    router: Router,
    lane: Entrance,
    mut stopping: watch::Receiver<bool>,
) {
    if let Err(err) = set_up(&socket) {
        tracing::debug!(%err, "a socket option was refused");
    }
    let mut stopped = pin!(async { drop(stopping.wait_for(|stopping| *stopping).await) });
    let begins_with_preface = tokio::select! {
        () = &mut stopped => return,
        known = timeout(HEAD_TIMEOUT, begins_with_preface(&socket)) => known,
    };
    let ended = match begins_with_preface {
        Ok(Ok(false)) => http1((socket, peer), router, lane, stopped).await,
        Ok(Ok(true)) => http2((socket, peer), router, stopped).await,
        // It said nothing at all.
        Ok(Err(_)) | Err(_) => return,
    };
    if let Err(err) = ended {
        // Clients leave in every way there is: no news for anyone but a debugger.
        tracing::debug!(%err, "a connection ended");
    }
}

/// Waits for the first bytes, and leaves them where they are.
async fn begins_with_preface(socket: &TcpStream) -> io::Result<bool> {
    let mut first = [0; PREFACE.len()];
    loop {
        let n_bytes = socket.peek(&mut first).await?;
        if n_bytes == 0 || first[..n_bytes] != PREFACE[..n_bytes] {
            return Ok(false);
        }
        if n_bytes == PREFACE.len() {
            return Ok(true);
        }
        // A part of the preface, which is rare. Nothing tells when a byte comes behind a byte that
        // was not read.
        tokio::time::sleep(PREFACE_PAUSE).await;
    }
}

/// HTTP/2 by prior knowledge. Its streams run as ordinary bodies: there is no socket to take over.
async fn http2(
    (socket, peer): (TcpStream, SocketAddr),
    router: Router,
    stopped: impl Future<Output = ()>,
) -> hyper::Result<()> {
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_CONCURRENT_STREAMS)
        .max_send_buf_size(SEND_BUFFER_BYTES)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT)
        .serve_connection(TokioIo::new(socket), Intercept::new(router, peer, None));
    let mut connection = pin!(connection);
    tokio::select! {
        ended = &mut connection => ended,
        () = stopped => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    }
}

async fn http1(
    (socket, peer): (TcpStream, SocketAddr),
    router: Router,
    lane: Entrance,
    mut stopped: Pin<&mut impl Future<Output = ()>>,
) -> hyper::Result<()> {
    let aside = Aside::default();
    let service = Intercept::new(router, peer, lane.is_open().then(|| Aside::clone(&aside)));
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD_BYTES)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(socket), service);
    let mut is_stopping = false;
    let left = poll_fn(|context| {
        if !is_stopping && stopped.as_mut().poll(context).is_ready() {
            is_stopping = true;
            Pin::new(&mut connection).graceful_shutdown();
        }
        if let Poll::Ready(ended) = Pin::new(&mut connection).poll(context) {
            return Poll::Ready(Left::Ended(ended));
        }
        aside.lock().take().map_or(Poll::Pending, |handover| Poll::Ready(Left::TakenOver(handover)))
    });
    let Handover { head, coding, stream, body } = match left.await {
        Left::Ended(ended) => return ended,
        Left::TakenOver(handover) => handover,
    };
    // What hyper has read behind the request goes with its buffers: it is no business of a stream.
    match into_lean(connection.into_parts().io.into_inner()) {
        Ok(socket) => lane.hand_in(Arrival { socket, head, coding, stream, body }),
        Err(err) => tracing::debug!(%err, "a socket cannot be taken over"),
    }
    Ok(())
}

fn set_up(socket: &TcpStream) -> io::Result<()> {
    // Events are small and already batched: waiting for more only makes them late.
    socket.set_nodelay(true)?;
    look_out(socket, true);
    Ok(())
}

/// A socket as the lane takes it: it never blocks, and no reactor but the lane's own watches it.
fn into_lean(socket: TcpStream) -> io::Result<std::net::TcpStream> {
    let socket = socket.into_std()?;
    let options = socket2::SockRef::from(&socket);
    options.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    #[cfg(target_os = "linux")]
    options.set_tcp_notsent_lowat(UNSENT_BYTES)?;
    Ok(socket)
}
