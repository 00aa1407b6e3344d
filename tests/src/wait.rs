//! Waiting for a condition. Nothing sleeps to let something happen.

use anyhow::{Result, bail};
use std::time::{Duration, Instant};

/// How long a condition may take to come true before the story has failed. Generous: a machine that
/// is busy with something else must not fail a test.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Asks again and again until there is an answer.
///
/// # Errors
/// There was none in time, or asking failed.
pub async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Result<Option<T>>) -> Result<T> {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask().await? {
            return Ok(answer);
        }
        if started.elapsed() > PATIENCE {
            bail!("waited {PATIENCE:?} in vain for: {what}");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
