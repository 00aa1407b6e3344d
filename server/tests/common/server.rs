//! A hub behind a real socket, in either lane.

use super::{Stream, hub};
use axum::Router;
use heartwire::{Hub, HubConfig, Shutdown};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Who writes the streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// `axum::serve`: hyper writes them as response bodies.
    Plain,
    /// `heartwire::serve`: they are written straight to their sockets.
    Lean,
}

/// Tells each story once in the one lane and once in the other.
macro_rules! in_both_lanes {
    (in $module:ident as $lane:ident: $($story:ident)*) => {
        mod $module {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                super::$story(super::common::Lane::$lane).await;
            })*
        }
    };
    ($($story:ident)*) => {
        in_both_lanes!(in plain as Plain: $($story)*);
        in_both_lanes!(in lean as Lean: $($story)*);
    };
}
pub(crate) use in_both_lanes;

pub(crate) struct Server {
    pub(crate) hub: Hub,
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(lane: Lane, config: HubConfig) -> Self {
        Self::start_with(lane, config, |router| router).await
    }

    /// `layered` puts something around the router.
    pub(crate) async fn start_with(lane: Lane, config: HubConfig, layered: impl FnOnce(Router) -> Router) -> Self {
        let listener = heartwire::listen(([127, 0, 0, 1], 0).into()).unwrap();
        Self::start_on(listener, lane, config, layered).await
    }

    /// On a listener of the caller's choice.
    pub(crate) async fn start_on(
        listener: TcpListener,
        lane: Lane,
        config: HubConfig,
        layered: impl FnOnce(Router) -> Router,
    ) -> Self {
        let hub = hub(config);
        let router = layered(heartwire::router(hub.clone()));
        let address = listener.local_addr().unwrap();
        let task = match lane {
            Lane::Plain => {
                let service = router.into_make_service_with_connect_info::<SocketAddr>();
                tokio::spawn(async move { axum::serve(listener, service).await.unwrap() })
            }
            Lane::Lean => {
                let never = Shutdown::when(hub.clone(), std::future::pending());
                tokio::spawn(heartwire::serve(listener, router, never))
            }
        };
        Self { hub, address, task }
    }

    pub(crate) async fn open(&self, query: &str) -> Stream {
        self.resume(query, "").await
    }

    pub(crate) async fn resume(&self, query: &str, last_event_id: &str) -> Stream {
        let socket = self.send(&request(query, last_event_id)).await;
        let (head, stream) = Stream::over(socket).await;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        stream
    }

    /// A stream that is compressed on the wire.
    pub(crate) async fn open_gzip(&self, query: &str, last_event_id: &str) -> Stream {
        let request = request(query, last_event_id).replace("\r\n\r\n", "\r\nAccept-Encoding: br, gzip\r\n\r\n");
        let (head, stream) = Stream::over(self.send(&request).await).await;
        assert!(head.contains("content-encoding: gzip\r\n"), "{head}");
        stream
    }

    pub(crate) async fn send(&self, request: &str) -> TcpStream {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        socket
    }

    /// Waits until the server knows that this many streams are open.
    pub(crate) async fn has_streams(&self, n_streams: usize) {
        eventually(&format!("{n_streams} streams"), || self.hub.active_connections() == n_streams).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Waits for something that another thread does in its own time.
pub(crate) async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..2_000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{what}: not within ten seconds");
}

/// The text of a request for a stream.
pub(crate) fn request(query: &str, last_event_id: &str) -> String {
    format!("GET /events?{query} HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: {last_event_id}\r\n\r\n")
}

/// An HTTP/1.1 body on a socket, out of its chunks.
pub(crate) struct Chunks {
    socket: TcpStream,
    raw: Vec<u8>,
}

impl Chunks {
    /// Reads the head, too.
    pub(crate) async fn of(mut socket: TcpStream) -> (String, Self) {
        let mut raw = Vec::new();
        let end = loop {
            if let Some(at) = raw.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break at + 4;
            }
            assert_ne!(socket.read_buf(&mut raw).await.unwrap(), 0, "the connection ends within the head");
        };
        let body = raw.split_off(end);
        (String::from_utf8(raw).unwrap(), Self { socket, raw: body })
    }

    /// The content of the next chunk. `None`: the body has ended as it should.
    pub(crate) async fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(line_end) = self.raw.windows(2).position(|bytes| bytes == b"\r\n") {
                let n_bytes = std::str::from_utf8(&self.raw[..line_end]).unwrap();
                let n_bytes = usize::from_str_radix(n_bytes, 16).unwrap();
                let (begin, end) = (line_end + 2, line_end + 2 + n_bytes);
                if self.raw.len() >= end + 2 {
                    let content = self.raw[begin..end].to_vec();
                    assert_eq!(&self.raw[end..end + 2], b"\r\n");
                    self.raw.drain(..end + 2);
                    return (n_bytes > 0).then_some(content);
                }
            }
            assert_ne!(self.socket.read_buf(&mut self.raw).await.unwrap(), 0, "the connection ends within the body");
        }
    }
}
