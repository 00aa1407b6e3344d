//! Traces arrive at a collector. Built with the cargo feature `otlp` alone.

#![cfg(feature = "otlp")]
// To clippy, a helper of tests is no test.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};

/// Reads one request, and says that all is well. Its path and its body.
fn collect(socket: TcpStream) -> (String, Vec<u8>) {
    let mut reader = BufReader::new(socket);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(reader.read_line(&mut head).unwrap(), 0, "{head}");
    }
    let head = head.to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap().parse().unwrap();
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    reader.into_inner().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().to_owned(), body)
}

#[test]
fn a_request_arrives_at_the_collector_as_a_span_of_its_clients_trace() {
    let collector = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", collector.local_addr().unwrap());
    let mut server = Command::new(env!("CARGO_BIN_EXE_heartwire"))
        .args(["serve", "--listen", "127.0.0.1:0", "--otlp-endpoint", &endpoint])
        .env_clear()
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut ready = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    let address = ready.trim_end().rsplit("http://").next().unwrap().trim_end_matches('/').to_owned();

    let mut client = TcpStream::connect(address).unwrap();
    let trace = "0af7651916cd43dd8448eb211c80319c";
    write!(
        client,
        "GET /health/live?ticket=s3cret HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         X-Request-Id: request-7\r\nTraceparent: 00-{trace}-b7ad6b7169203331-01\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    let (path, body) = collect(collector.accept().unwrap().0);
    server.kill().unwrap();
    server.wait().unwrap();
    assert_eq!(path, "/v1/traces");
    // Texts and bytes stand in protobuf as they are.
    let contains = |needle: &[u8]| body.windows(needle.len()).any(|bytes| bytes == needle);
    for text in ["heartwire", "request", "request-7", "GET", "/health/live"] {
        assert!(contains(text.as_bytes()), "{text} in {:?}", String::from_utf8_lossy(&body));
    }
    let trace: Vec<u8> =
        (0..trace.len()).step_by(2).map(|at| u8::from_str_radix(&trace[at..at + 2], 16).unwrap()).collect();
    assert!(contains(&trace));
    assert!(!contains(b"s3cret"));
}
