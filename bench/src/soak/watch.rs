//! What the server uses and what it says about itself, looked at once a second from a thread of its own.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use heartwire_protocol::answer::HealthAnswer;

use crate::http::Head;
use crate::proc_fs::{Memory, Usage, open_files};

const EVERY: Duration = Duration::from_secs(1);
/// How long the server may take to say how it is.
const LIMIT: Duration = Duration::from_secs(10);

/// One look at the server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    /// Since the load began.
    pub(super) at: Duration,
    pub(super) memory: Memory,
    /// Used so far.
    pub(super) cpu: Duration,
    pub(super) open_files: usize,
    /// How many streams the server says it has.
    pub(super) active_connections: u64,
    /// How many of our readers have one.
    pub(super) n_connected: usize,
}

/// Looks at the server until it is dropped.
pub(super) struct Watch {
    samples: Receiver<Result<Sample>>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    pub(super) fn begin(pid: u32, address: SocketAddr, n_connected: Arc<AtomicUsize>) -> Self {
        let (sender, samples) = channel();
        let (stop, stopped) = channel();
        let started = Instant::now();
        let look = move || {
            let mut next = started;
            while stopped.recv_timeout(next.saturating_duration_since(Instant::now())) == Err(RecvTimeoutError::Timeout)
            {
                next += EVERY;
                let sample = Sample::take(pid, address, started, n_connected.load(Ordering::Relaxed));
                if sender.send(sample).is_err() {
                    return;
                }
            }
        };
        Self { samples, stop: Some(stop), thread: Some(std::thread::spawn(look)) }
    }

    /// A sample that has not been looked at, if there is one.
    pub(super) fn next(&self) -> Option<Result<Sample>> {
        self.samples.try_recv().ok()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Dropping the sender ends the wait.
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It does not panic; if it did, there would be no samples.
            let _ = thread.join();
        }
    }
}

impl Sample {
    fn take(pid: u32, address: SocketAddr, started: Instant, n_connected: usize) -> Result<Self> {
        Ok(Self {
            at: started.elapsed(),
            memory: Memory::of(pid).context("the server has ended")?,
            cpu: Usage::of_tree(pid)?.cpu,
            open_files: open_files(pid)?,
            active_connections: active_connections(address)?,
            n_connected,
        })
    }
}

/// Asks `/events/health`, over a connection that is closed again.
pub(super) fn active_connections(address: SocketAddr) -> Result<u64> {
    let mut socket = TcpStream::connect(address).context("the server cannot be asked for its health")?;
    socket.set_read_timeout(Some(LIMIT))?;
    write!(socket, "GET /events/health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).context("the server does not say how it is")?;
    let head = Head::parse(&answer)?.context("half an answer")?;
    ensure!(head.status == 200, "the server says {} of its health", head.status);
    let health: HealthAnswer = serde_json::from_slice(&answer[head.bytes..]).context("what the server says")?;
    Ok(health.active_connections)
}
