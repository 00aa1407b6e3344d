//! What the stories of both ends are told with: the real binary as a process of its own, a link that
//! can be cut, stalled and mended, and real browsers.
//!
//! `cargo xtask test e2e` builds the parts and names them in the environment: see [`part`].

pub mod browser;
pub mod examples;
pub mod http;
pub mod link;
pub mod server;
pub mod wait;

use anyhow::{Context, Result};
use std::path::PathBuf;

pub use browser::{Browser, BrowserKind, INSECURE_HOST, Tab};
pub use link::Link;
pub use server::Server;
pub use wait::eventually;

/// The path of a part that was built before the tests, from the environment variable `name`:
/// `HEARTWIRE_BIN`, `HEARTWIRE_EXAMPLES`, `HEARTWIRE_WWW`, `HEARTWIRE_PACKAGING`, `CHROMIUM`, `CHROMEDRIVER`, `FIREFOX`
/// or `GECKODRIVER`.
///
/// # Errors
/// It is not set: the tests were not started by xtask.
pub fn part(name: &str) -> Result<PathBuf> {
    let path = std::env::var_os(name)
        .with_context(|| format!("{name} is not set: run these tests with `cargo xtask test e2e`"))?;
    Ok(PathBuf::from(path))
}
