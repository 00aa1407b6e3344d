//! Browsers that outlive a story: to start one takes longer than most stories do.
//!
//! A story has its browser to itself, and begins in an empty tab. Its server has a port of its own, hence an
//! origin of its own: nothing that an earlier page left behind is to be seen from there.

use crate::Story;
use anyhow::Result;
use heartwire_tests::{Browser, BrowserKind};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

/// A browser that takes longer to close its tabs is not worth keeping.
const CLEARING_TIME: Duration = Duration::from_secs(10);

/// All browsers that are not in a story at this moment.
pub(crate) struct Pool {
    /// One for all: the connection to a browser's driver belongs to the runtime in which it was started.
    runtime: Runtime,
    idle: Mutex<Vec<Browser>>,
}

impl Pool {
    pub(crate) fn new() -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        Self { runtime, idle: Mutex::default() }
    }

    /// Tells the story in a browser of this kind, on the calling thread.
    pub(crate) fn tell(&self, kind: BrowserKind, story: Story) -> Result<()> {
        self.runtime.block_on(async {
            let browser = match self.take(kind) {
                Some(browser) => browser,
                None => Browser::start(kind).await?,
            };
            let told = story(&browser).await;
            // Nobody knows what state a browser is in whose story went wrong, or whose tab has crashed.
            if told.is_ok() && matches!(timeout(CLEARING_TIME, browser.clear()).await, Ok(Ok(()))) {
                self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(browser);
            } else {
                drop(browser.close().await);
            }
            told
        })
    }

    fn take(&self, kind: BrowserKind) -> Option<Browser> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let at = idle.iter().position(|browser| browser.kind() == kind)?;
        Some(idle.swap_remove(at))
    }

    /// Ends them all; what a driver does not close would outlive this process.
    pub(crate) fn close(&self) {
        let browsers = std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        self.runtime.block_on(async {
            for browser in browsers {
                drop(browser.close().await);
            }
        });
    }
}
