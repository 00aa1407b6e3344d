//! A link that misbehaves on request: a small TCP proxy between a reader and the server.

use anyhow::{Context, Result};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What the link does to the bytes that come from the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// Passes all of them on.
    Well,
    /// Passes none on and closes nothing: what a dead router looks like. New connections are
    /// accepted, and nothing comes back on them either.
    Silent,
    /// Cuts each connection after a random number of bytes, at most this many.
    Cutting {
        /// The most bytes that pass before the cut.
        after_at_most: u64,
    },
}

/// A proxy in front of a server. It ends with this value.
#[derive(Debug)]
pub struct Link {
    address: SocketAddr,
    mood: watch::Sender<Mood>,
    cuts: Arc<AtomicU64>,
    accepting: JoinHandle<()>,
}

impl Link {
    /// A healthy link to `server`, on a free port. `seed` decides where it cuts.
    ///
    /// # Errors
    /// There is no free port.
    pub async fn to(server: SocketAddr, seed: u64) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("a port for the link")?;
        let address = listener.local_addr()?;
        let mood = watch::Sender::new(Mood::Well);
        let cuts = Arc::new(AtomicU64::new(0));
        let accepting = tokio::spawn({
            let (mood, cuts) = (mood.clone(), Arc::clone(&cuts));
            let mut dice = fastrand::Rng::with_seed(seed);
            async move {
                while let Ok((reader, _)) = listener.accept().await {
                    let connection = Connection { mood: mood.subscribe(), dice: dice.fork(), cuts: Arc::clone(&cuts) };
                    tokio::spawn(connection.carry(reader, server));
                }
            }
        });
        Ok(Self { address, mood, cuts, accepting })
    }

    /// Where readers connect to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of a path behind the link.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// From now on behaves like this, on open connections too.
    pub fn set(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }

    /// How many connections it has cut.
    #[must_use]
    pub fn cuts(&self) -> u64 {
        self.cuts.load(Ordering::Relaxed)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

struct Connection {
    mood: watch::Receiver<Mood>,
    dice: fastrand::Rng,
    cuts: Arc<AtomicU64>,
}

impl Connection {
    async fn carry(mut self, mut reader: TcpStream, server: SocketAddr) {
        let Ok(mut server) = TcpStream::connect(server).await else {
            // Nobody home: a reset, as without the link.
            let _ = reader.set_zero_linger();
            return;
        };
        let _ = (reader.set_nodelay(true), server.set_nodelay(true));
        let (mut from_reader, mut to_reader) = reader.split();
        let (mut from_server, mut to_server) = server.split();
        let upstream = async {
            let _ = tokio::io::copy(&mut from_reader, &mut to_server).await;
        };
        let cut = tokio::select! {
            () = upstream => false,
            cut = self.downstream(&mut from_server, &mut to_reader) => cut,
        };
        if cut {
            self.cuts.fetch_add(1, Ordering::Relaxed);
            // Half of the cuts are resets, half look like an orderly end.
            if self.dice.bool() {
                let _ = reader.set_zero_linger();
            }
        }
    }

    /// Passes bytes on until the server ends or the link cuts; whether it cut.
    async fn downstream(
        &mut self,
        from_server: &mut (impl AsyncReadExt + Unpin),
        to_reader: &mut (impl AsyncWriteExt + Unpin),
    ) -> bool {
        let mut buffer = [0; 4_096];
        let mut left = None;
        loop {
            let mood = *self.mood.borrow_and_update();
            let allowed = match mood {
                Mood::Well => {
                    left = None;
                    buffer.len()
                }
                Mood::Silent => {
                    if self.mood.changed().await.is_err() {
                        return false;
                    }
                    continue;
                }
                Mood::Cutting { after_at_most } => {
                    let left = *left.get_or_insert_with(|| self.dice.u64(0..=after_at_most));
                    if left == 0 {
                        return true;
                    }
                    buffer.len().min(left as usize)
                }
            };
            let n_read = tokio::select! {
                read = from_server.read(&mut buffer[..allowed]) => read.unwrap_or(0),
                changed = self.mood.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return false,
                },
            };
            if n_read == 0 || to_reader.write_all(&buffer[..n_read]).await.is_err() {
                return false;
            }
            if let Some(left) = &mut left {
                *left -= n_read as u64;
            }
        }
    }
}
