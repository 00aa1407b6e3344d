//! When a server stops.

use crate::hub::Hub;
use std::fmt;
use std::future::pending;
use std::io;
use std::pin::Pin;
use std::time::Duration;
use tokio::sync::watch;

/// How long after the drain window a connection that still lives is dropped.
pub(super) const GRACE: Duration = Duration::from_secs(5);

type Signal = Pin<Box<dyn Future<Output = ()> + Send>>;

/// When a server stops, and the hub that it then drains.
pub struct Shutdown {
    pub(super) hub: Hub,
    pub(super) requested: Signal,
    pub(super) forced: Signal,
}

impl Shutdown {
    /// Stops when a future resolves.
    pub fn when(hub: Hub, requested: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { hub, requested: Box::pin(requested), forced: Box::pin(pending()) }
    }

    /// Ends at once, whatever is still open, when another future resolves while the server drains.
    #[must_use]
    pub fn or_at_once_when(self, forced: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { forced: Box::pin(forced), ..self }
    }

    /// Stops on SIGTERM or SIGINT, and ends at once on the second of them.
    ///
    /// # Errors
    /// The signals cannot be listened to.
    pub fn on_signals(hub: Hub) -> io::Result<Self> {
        let mut signals = Signals::listen()?;
        let (count, mut first) = watch::channel(0_usize);
        let mut second = first.clone();
        tokio::spawn(async move {
            while !count.is_closed() {
                signals.next().await;
                count.send_modify(|count| *count += 1);
            }
        });
        let first = async move { drop(first.wait_for(|count| *count >= 1).await) };
        let second = async move { drop(second.wait_for(|count| *count >= 2).await) };
        Ok(Self::when(hub, first).or_at_once_when(second))
    }
}

impl fmt::Debug for Shutdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shutdown").field("hub", &self.hub).finish_non_exhaustive()
    }
}

#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            pending::<()>().await;
        }
    }
}
