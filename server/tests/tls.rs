//! The server over TLS: both versions of HTTP, and certificates that are renewed while it runs.

#![cfg(feature = "tls")]
// To clippy, a story of a test is no test.
#![allow(clippy::unwrap_used)]

mod common;

use axum::body::Body;
use axum::http::Request;
use common::certificate::{Certificates, Valid};
use common::{Stream, eventually, hub, publish};
use heartwire::{Hub, HubConfig, Shutdown, Tls};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::CertificateDer;

struct Server {
    certificates: Certificates,
    tls: Tls,
    hub: Hub,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    running: JoinHandle<()>,
}

impl Server {
    fn start() -> Self {
        let certificates = Certificates::new();
        let tls = Tls::read(certificates.cert(), certificates.key()).unwrap();
        let hub = hub(HubConfig { drain_window: Duration::ZERO, ..HubConfig::default() });
        let listener = heartwire::listen(([127, 0, 0, 1], 0).into()).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let shutdown = Shutdown::when(hub.clone(), async { drop(stopped.await) });
        let router = heartwire::router(hub.clone());
        let running = tokio::spawn(heartwire::serve_tls(listener, tls.clone(), router, shutdown));
        Self { certificates, tls, hub, address, stop, running }
    }

    async fn connect(&self, protocols: &[&str]) -> TlsStream<TcpStream> {
        let socket = TcpStream::connect(self.address).await.unwrap();
        self.certificates.connect(socket, protocols).await.unwrap()
    }

    /// A stream over HTTP/1.1 on a connection of its own.
    async fn open(&self) -> Stream {
        let socket = self.connect(&["http/1.1"]).await;
        let (mut client, connection) = http1::handshake(TokioIo::new(socket)).await.unwrap();
        tokio::spawn(connection);
        let request = Request::get("/events?topic=a").header("host", "localhost").body(Body::empty()).unwrap();
        let response = client.send_request(request).await.unwrap();
        Stream::of(response.map(Body::new)).opened().await
    }

    /// The certificate that a new connection is shown.
    async fn shown(&self) -> CertificateDer<'static> {
        let socket = self.connect(&[]).await;
        socket.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_over_tls_brings_every_event() {
    let server = Server::start();
    let mut stream = server.open().await;
    publish(&server.hub, "a", ["1", "2"]).await;
    assert_eq!(stream.blocks().await, ["id: abc-1\ndata: 1", "id: abc-2\ndata: 2"]);
    drop(stream);
    eventually("the stream has ended", || server.hub.active_connections() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn http_2_is_chosen_in_the_handshake_and_carries_many_streams() {
    let server = Server::start();
    let socket = server.connect(&["h2", "http/1.1"]).await;
    assert_eq!(socket.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut client, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(socket)).await.unwrap();
    tokio::spawn(connection);
    let mut streams = Vec::new();
    for _ in 0..200 {
        let request = Request::get("https://localhost/events?topic=a").body(Body::empty()).unwrap();
        let response = client.send_request(request).await.unwrap();
        streams.push(Stream::of(response.map(Body::new)).opened().await);
    }
    publish(&server.hub, "a", ["1"]).await;
    for stream in &mut streams {
        assert_eq!(stream.block().await.unwrap(), "id: abc-1\ndata: 1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_knows_http_1_alone_or_names_no_protocol_gets_http_1() {
    let server = Server::start();
    for protocols in [&["http/1.1"][..], &[]] {
        let mut socket = server.connect(protocols).await;
        let request = b"GET /events/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        socket.write_all(request).await.unwrap();
        let mut answer = String::new();
        // To the end, which is told by TLS itself: bytes that were cut off would be an error.
        socket.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with('}'), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_is_shown_to_new_connections_and_open_streams_go_on() {
    let server = Server::start();
    let mut stream = server.open().await;
    let before = server.shown().await;
    server.certificates.renew(Valid::Now);
    assert_eq!(server.shown().await, before);
    server.tls.reload().unwrap();
    let after = server.shown().await;
    assert!(after != before && after == server.certificates.current());
    publish(&server.hub, "a", ["1"]).await;
    assert_eq!(stream.block().await.unwrap(), "id: abc-1\ndata: 1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_is_found_without_being_told() {
    let server = Server::start();
    let tls = server.tls.clone();
    let watching = tokio::spawn(async move { tls.reload_when_changed(Duration::from_millis(5)).await });
    for _ in 0..2 {
        server.certificates.renew(Valid::Now);
        let expected = server.certificates.current();
        let asked_at = Instant::now();
        while server.shown().await != expected {
            assert!(asked_at.elapsed() < Duration::from_secs(10), "it was not found");
        }
    }
    watching.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_cannot_be_used_leaves_the_one_before() {
    let server = Server::start();
    let before = server.shown().await;
    let certificates = &server.certificates;
    certificates.renew(Valid::NoLonger);
    assert!(server.tls.reload().is_err());
    std::fs::write(certificates.cert(), "nonsense").unwrap();
    assert!(server.tls.reload().is_err());
    std::fs::remove_file(certificates.key()).unwrap();
    assert!(server.tls.reload().is_err());
    assert_eq!(server.shown().await, before);
}

#[test]
fn what_is_wrong_with_a_certificate_is_told_in_one_sentence() {
    let certificates = Certificates::new();
    let (cert, key) = (certificates.cert(), certificates.key());
    let check = |cert: &std::path::Path, key: &std::path::Path, expected: &str| {
        let err = Tls::read(cert, key).unwrap_err().to_string();
        assert!(err.contains(expected) && !err.contains('\n'), "{err}");
    };
    assert!(Tls::read(&cert, &key).is_ok());
    check(&certificates.path("no.pem"), &key, "no.pem cannot be read: No such file");
    check(&cert, &certificates.path("no.pem"), "no.pem cannot be read: No such file");
    check(&key, &key, "key.pem holds no certificate in PEM");
    check(&cert, &cert, "cert.pem holds no private key in PEM");
    std::fs::write(certificates.path("empty.pem"), "").unwrap();
    check(&certificates.path("empty.pem"), &key, "empty.pem holds no certificate");
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    std::fs::write(certificates.path("broken.pem"), broken).unwrap();
    check(&certificates.path("broken.pem"), &key, "broken.pem cannot be used");
    std::fs::copy(&key, certificates.path("old-key.pem")).unwrap();
    certificates.renew(Valid::Now);
    check(&cert, &certificates.path("old-key.pem"), "old-key.pem is not that of the certificate in");
    certificates.renew(Valid::NoLonger);
    check(&cert, &key, "cert.pem has expired on Sat, 01 Feb 2020");
    certificates.renew(Valid::NotYet);
    check(&cert, &key, "cert.pem is not valid yet");
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_over_tls_are_told_before_the_server_stops() {
    let server = Server::start();
    let mut stream = server.open().await;
    server.stop.send(()).unwrap();
    let rest = stream.rest().await;
    assert!(rest.iter().any(|block| block.contains("event: closing") && block.contains("draining")), "{rest:?}");
    server.running.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_speaks_no_tls_is_turned_away_and_holds_nobody_up() {
    let server = Server::start();
    let mut plain = TcpStream::connect(server.address).await.unwrap();
    plain.write_all(b"GET /events/health HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    // At most an alert; or a reset, since there was more to read.
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.windows(4).any(|bytes| bytes == b"HTTP"), "{answer:?}");
    server.open().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_never_ends_is_cut() {
    let server = Server::start();
    let asked_at = Instant::now();
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    // The beginning of a record, and then nothing.
    silent.write_all(&[0x16, 0x03, 0x01, 0x02]).await.unwrap();
    let mut answer = Vec::new();
    let _ = silent.read_to_end(&mut answer).await;
    assert!((8..20).contains(&asked_at.elapsed().as_secs()), "{:?}", asked_at.elapsed());
}
