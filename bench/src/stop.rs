//! Ctrl-C and SIGTERM: a flag that every loop looks at, so that the guards get to end the peers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result, bail};

/// Whether somebody wants us to stop. Clones share the flag.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop {
    asked: Arc<AtomicBool>,
}

impl Stop {
    /// Set by the first SIGINT or SIGTERM.
    pub(crate) fn on_signals() -> Result<Self> {
        let stop = Self::default();
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&stop.asked)).context("cannot listen to signals")?;
        }
        Ok(stop)
    }

    /// Whether it is time to stop.
    pub(crate) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// An error once it is time to stop.
    pub(crate) fn check(&self) -> Result<()> {
        if self.is_asked() {
            bail!("stopped on request");
        }
        Ok(())
    }
}
