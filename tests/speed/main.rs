//! Runs the client's races in Chromium and in Firefox: `cargo xtask speed`.
//!
//! The page and what it races are in `client-wasm/js/bench`; this opens it and prints what it measured.

// Talking on the terminal is what this program does.
#![allow(clippy::print_stdout)]

use anyhow::{Context, Result};
use heartwire_tests::server::Server;
use heartwire_tests::{Browser, BrowserKind};

#[tokio::main]
async fn main() -> Result<()> {
    let folder = std::env::args().nth(1).context("the folder of the page is missing")?;
    let server = Server::start(&["--www", &folder]).await?;
    for kind in [BrowserKind::Chromium, BrowserKind::Firefox] {
        let browser = Browser::start(kind).await?;
        browser.open(&server.url("/")).await?;
        let report = browser.wait_for("window.report").await?;
        browser.close().await?;
        println!("{}", report.as_str().unwrap_or_default());
    }
    Ok(())
}
