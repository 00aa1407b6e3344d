//! Waiting for a condition. Nothing sleeps to let something happen.

use anyhow::{Result, bail};
use std::time::{Duration, Instant};

/// How long a condition may take to come true before the story has failed. Generous: a machine that
/// is busy with something else must not fail a test.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The shortest and the longest time between two questions.
const PAUSES: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(100));

/// Asks again and again until there is an answer: often at first, and less often of what takes long, since to ask
/// a browser keeps several processes busy.
///
/// # Errors
/// There was none in time, or asking failed.
pub async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Result<Option<T>>) -> Result<T> {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask().await? {
            return Ok(answer);
        }
        let waited = started.elapsed();
        if waited > PATIENCE {
            bail!("waited {PATIENCE:?} in vain for: {what}");
        }
        tokio::time::sleep((waited / 8).clamp(PAUSES.0, PAUSES.1)).await;
    }
}
