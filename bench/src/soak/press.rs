//! The one who publishes, in a thread of its own: whoever reads ten thousand sockets in turn is late for
//! everything else, and an event that is published late is no event of the rate that was asked for.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use crate::http::Head;

/// How long the server may take to answer.
const LIMIT: Duration = Duration::from_secs(60);

/// Publishes one event after the other, in the order in which they are handed in.
pub(super) struct Press {
    bodies: Option<Sender<String>>,
    n_answered: Arc<AtomicU64>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Press {
    pub(super) fn start(address: SocketAddr, path: &'static str) -> Self {
        let (bodies, waiting) = channel();
        let n_answered = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&n_answered);
        let thread = std::thread::spawn(move || publish_all(&waiting, address, path, &count));
        Self { bodies: Some(bodies), n_answered, thread: Some(thread) }
    }

    /// Hands in an event. Fails once an earlier one could not be published.
    pub(super) fn publish(&mut self, body: String) -> Result<()> {
        if self.bodies.as_ref().is_some_and(|bodies| bodies.send(body).is_ok()) {
            return Ok(());
        }
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(Err(err))) => Err(err),
            _ => bail!("the thread that publishes has ended"),
        }
    }

    /// How many events the server has answered for.
    pub(super) fn n_answered(&self) -> u64 {
        self.n_answered.load(Ordering::Relaxed)
    }
}

impl Drop for Press {
    fn drop(&mut self) {
        // Without a sender the thread has nothing to wait for.
        drop(self.bodies.take());
        if let Some(thread) = self.thread.take() {
            // What it failed with, if it did, the next event would have told.
            drop(thread.join());
        }
    }
}

fn publish_all(bodies: &Receiver<String>, address: SocketAddr, path: &str, n_answered: &AtomicU64) -> Result<()> {
    let mut socket = None;
    for body in bodies {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        if !ask(&mut socket, address, &request)? {
            // The server may let go of a connection that has rested.
            ensure!(ask(&mut socket, address, &request)?, "the server lets go of a connection that publishes");
        }
        n_answered.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// Sends a request and reads its answer. False when the connection was closed before there was one.
fn ask(kept: &mut Option<TcpStream>, address: SocketAddr, request: &str) -> Result<bool> {
    let mut socket = match kept.take() {
        Some(socket) => socket,
        None => {
            let socket = TcpStream::connect(address).context("cannot connect to publish")?;
            socket.set_nodelay(true)?;
            socket.set_read_timeout(Some(LIMIT))?;
            socket
        }
    };
    if socket.write_all(request.as_bytes()).is_err() {
        return Ok(false);
    }
    let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let n_read = match socket.read(&mut buffer) {
            Ok(n_read) => n_read,
            Err(err) if err.kind() == ErrorKind::ConnectionReset && answer.is_empty() => 0,
            Err(err) => return Err(err).context("the answer to an event"),
        };
        if n_read == 0 {
            ensure!(answer.is_empty(), "half an answer to an event");
            return Ok(false);
        }
        answer.extend_from_slice(&buffer[..n_read]);
        let Some(head) = Head::parse(&answer)? else { continue };
        let n_body_bytes = usize::try_from(head.content_length.context("an answer without a length")?)?;
        if answer.len() < head.bytes + n_body_bytes {
            continue;
        }
        ensure!(head.status == 200, "the server answers {} to an event", head.status);
        *kept = Some(socket);
        return Ok(true);
    }
}
