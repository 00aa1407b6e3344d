//! What a heartbeat costs on the wire.
//!
//! `cargo test -p heartwire --test heartbeats -- --nocapture` prints the figures of docs/requirements.md.

#![cfg(feature = "cli")]
// To clippy, a helper of tests is no test.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

mod common;

use common::process::Process;
use common::{Stream, request};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// The bytes of some heartbeats on a stream of this encoding, each with the frame of its HTTP chunk.
async fn bytes_of_heartbeats(server: &Process, encoding: &str) -> Vec<usize> {
    let request = request("topic=t", "").replace("\r\n\r\n", &format!("\r\nAccept-Encoding: {encoding}\r\n\r\n"));
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let (head, stream) = Stream::over(socket).await;
    assert_eq!(head.contains("content-encoding: gzip"), encoding == "gzip", "{head}");
    let mut stream = stream.opened().await;
    let mut bytes = Vec::new();
    for _ in 0..5 {
        let before = stream.n_wire_bytes();
        let block = stream.block().await.unwrap();
        assert!(block.contains("event: heartbeat"), "{block}");
        let n_bytes = stream.n_wire_bytes() - before;
        assert!(n_bytes > 0, "each comes in a chunk of its own");
        bytes.push(n_bytes + format!("{n_bytes:x}\r\n\r\n").len());
    }
    bytes
}

#[tokio::test]
async fn a_heartbeat_is_less_than_a_hundred_bytes_on_the_wire_plain_or_compressed() {
    let server = Process::start(&["--heartbeat-interval", "0.1"]);
    for encoding in ["identity", "gzip"] {
        let bytes = bytes_of_heartbeats(&server, encoding).await;
        println!("bytes of heartbeats, {encoding}: {bytes:?}");
        assert!(bytes.iter().all(|n_bytes| *n_bytes < 100), "{encoding}: {bytes:?}");
    }
}
