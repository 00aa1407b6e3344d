//! The life of one connection, up to its end or to its stream's way into the lean lane.

use super::intercept::{Aside, Handover, Intercept};
use super::lean::{Arrival, Entrance};
#[cfg(feature = "tls")]
use super::tls::Tls;
use super::vanished::look_out;
use axum::Router;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// How long a client may take to send the head of its first request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long it may take from an answer to the head of the next request. Longer than the 60 s for which nginx and AWS's
/// load balancer keep a connection that they have no use for: where they close it, no request meets a closed door.
const IDLE_TIMEOUT: Duration = Duration::from_secs(75);
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

/// How long a client that was given its last answer may go on talking, and be silent meanwhile.
const LINGER_TIME: Duration = Duration::from_secs(5);
const LINGER_SILENCE: Duration = Duration::from_millis(500);

/// What every HTTP/2 connection begins with.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const PREFACE_PAUSE: Duration = Duration::from_millis(10);
/// The streams of one HTTP/2 connection. The usual hundred would be the tabs of one browser.
const MAX_CONCURRENT_STREAMS: u32 = 1_000;
/// How often an HTTP/2 peer is asked whether it is there, and how long it may take to answer.
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// What requests come over.
trait Socket: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Socket for S {}

/// How hyper's part of a connection ended.
enum Left<S> {
    Ended(hyper::Result<()>, S),
    TakenOver(Handover, S),
}

/// Answers the requests of a connection until it ends, one way or another.
pub(super) async fn run(
    (socket, peer): (TcpStream, SocketAddr),
    router: Router,
    lane: Entrance,
    mut stopping: watch::Receiver<bool>,
) {
    set_up(&socket);
    let mut stopped = pin!(async { drop(stopping.wait_for(|stopping| *stopping).await) });
    let begins_with_preface = tokio::select! {
        () = &mut stopped => return,
        known = timeout(HEAD_TIMEOUT, begins_with_preface(&socket)) => known,
    };
    match begins_with_preface {
        Ok(Ok(false)) => {
            let aside = lane.is_open().then(Aside::default);
            match http1((socket, peer), router, aside, stopped).await {
                Left::Ended(ended, socket) => close(ended, socket).await,
                Left::TakenOver(handover, socket) => hand_in(handover, socket, &lane),
            }
        }
        Ok(Ok(true)) => tell(http2((socket, peer), router, stopped).await),
        // It said nothing at all.
        Ok(Err(_)) | Err(_) => {}
    }
}

/// The same over TLS. There is no socket for the lean lane to write to, so streams run as ordinary bodies.
#[cfg(feature = "tls")]
pub(super) async fn run_tls(
    (socket, peer): (TcpStream, SocketAddr),
    tls: Tls,
    router: Router,
    mut stopping: watch::Receiver<bool>,
) {
    set_up(&socket);
    let mut stopped = pin!(async { drop(stopping.wait_for(|stopping| *stopping).await) });
    let accepted = tokio::select! {
        () = &mut stopped => return,
        accepted = timeout(HEAD_TIMEOUT, tls.accept(socket)) => accepted,
    };
    match accepted {
        Ok(Ok((stream, true))) => tell(http2((stream, peer), router, stopped).await),
        Ok(Ok((stream, false))) => {
            if let Left::Ended(ended, stream) = http1((stream, peer), router, None, stopped).await {
                close(ended, stream).await;
            }
        }
        // Among others, whoever speaks plain HTTP here, or does not trust the certificate.
        Ok(Err(err)) => tracing::debug!(%err, "a handshake failed"),
        Err(_) => tracing::debug!("a handshake took too long"),
    }
}

fn tell(ended: hyper::Result<()>) {
    if let Err(err) = ended {
        // Clients leave in every way there is: no news for anyone but a debugger.
        tracing::debug!(%err, "a connection ended");
    }
}

/// Closes a connection of HTTP/1. Its client may still be sending a request that was refused before its end; a
/// socket that is closed with unread bytes in it is reset, which can take the refusal along or keep the client from
/// reading it. So whatever comes is thrown away until the client has closed as well.
async fn close(ended: hyper::Result<()>, mut socket: impl Socket) {
    tell(ended);
    let linger = async {
        // Where all went well hyper has done so, behind the last byte of its answer.
        socket.shutdown().await?;
        let mut unread = vec![0; 16 * 1024];
        while timeout(LINGER_SILENCE, socket.read(&mut unread)).await?? > 0 {}
        io::Result::Ok(())
    };
    // It has had its answer or its time.
    let _ = timeout(LINGER_TIME, linger).await;
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

/// HTTP/2. Its streams run as ordinary bodies: there is no socket to take over.
async fn http2<S: Socket>(
    (socket, peer): (S, SocketAddr),
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

/// HTTP/1. `aside`: where a stream is put for which the socket is to be taken over; `None` if none is.
async fn http1<S: Socket>(
    (socket, peer): (S, SocketAddr),
    router: Router,
    aside: Option<Aside>,
    mut stopped: Pin<&mut impl Future<Output = ()>>,
) -> Left<S> {
    let service = Intercept::new(router, peer, aside.clone());
    let was_asked = service.was_asked();
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE_TIMEOUT)
        .max_buf_size(MAX_HEAD_BYTES)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(socket), service);
    let mut first_head_is_late = pin!(sleep(HEAD_TIMEOUT));
    let mut is_stopping = false;
    let left = poll_fn(|context| {
        if !is_stopping && stopped.as_mut().poll(context).is_ready() {
            is_stopping = true;
            Pin::new(&mut connection).graceful_shutdown();
        }
        if let Poll::Ready(ended) = Pin::new(&mut connection).poll(context) {
            return Poll::Ready(Err(ended));
        }
        if !was_asked.load(Ordering::Relaxed) && first_head_is_late.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(Ok(())));
        }
        let handover = aside.as_ref().and_then(|aside| aside.lock().take());
        handover.map_or(Poll::Pending, |handover| Poll::Ready(Ok(handover)))
    });
    let left = left.await;
    // What hyper has read behind the request goes with its buffers: it is no business of a stream.
    let socket = connection.into_parts().io.into_inner();
    match left {
        Err(ended) => Left::Ended(ended, socket),
        Ok(handover) => Left::TakenOver(handover, socket),
    }
}

fn hand_in(Handover { head, coding, stream, body }: Handover, socket: TcpStream, lane: &Entrance) {
    match into_lean(socket) {
        Ok(socket) => lane.hand_in(Arrival { socket, head, coding, stream, body }),
        Err(err) => tracing::debug!(%err, "a socket cannot be taken over"),
    }
}

fn set_up(socket: &TcpStream) {
    // Events are small and already batched: waiting for more only makes them late.
    if let Err(err) = socket.set_nodelay(true) {
        tracing::debug!(%err, "a socket option was refused");
    }
    look_out(socket, true);
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

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use std::future::pending;
    use tokio::io::{DuplexStream, duplex};
    use tokio::time::{Instant, advance};

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

    /// A client's end of a connection, whose other end answers by `here`.
    fn connect() -> DuplexStream {
        let (client, socket) = duplex(1024);
        let router = Router::new().route("/", get(async || "here"));
        tokio::spawn(async move {
            let peer = SocketAddr::from(([127, 0, 0, 1], 1));
            if let Left::Ended(ended, socket) = http1((socket, peer), router, None, pin!(pending())).await {
                close(ended, socket).await;
            }
        });
        client
    }

    async fn ask(client: &mut DuplexStream) {
        client.write_all(REQUEST).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"here") {
            assert!(client.read_buf(&mut answer).await.unwrap() > 0, "{}", answer.escape_ascii());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_is_kept_for_longer_than_a_proxy_keeps_it() {
        let mut client = connect();
        for _ in 0..3 {
            ask(&mut client).await;
            advance(Duration::from_secs(60)).await;
        }
        ask(&mut client).await;
        let answered_at = Instant::now();
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0, "it is not kept for ever");
        assert_eq!(answered_at.elapsed().as_secs(), IDLE_TIMEOUT.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_nothing_is_not_kept_that_long() {
        let mut client = connect();
        let connected_at = Instant::now();
        let (first, _) = REQUEST.split_at(20);
        for byte in first {
            client.write_all(&[*byte]).await.unwrap();
            sleep(Duration::from_millis(400)).await;
        }
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
        assert_eq!(connected_at.elapsed().as_secs(), HEAD_TIMEOUT.as_secs());
    }
}
