//! Runs the client's races in Chromium and in Firefox: `cargo xtask speed`.
//!
//! What is raced is in `client-wasm/js/bench` (the parts) and `bench/clients` (whole clients), from where the pages
//! are; this opens them and prints what they measured.

// Talking on the terminal is what this program does.
#![allow(clippy::print_stdout)]

mod site;

use anyhow::{Context, Result};
use heartwire_tests::{Browser, BrowserKind};
use site::Site;

const PAGES: [&str; 2] = ["parts.html", "clients.html"];

#[tokio::main]
async fn main() -> Result<()> {
    let folder = std::env::args_os().nth(1).context("the folder of the pages is missing")?;
    let mut site = Site::of(folder.into()).await?;
    for kind in [BrowserKind::Chromium, BrowserKind::Firefox] {
        for page in PAGES {
            let browser = Browser::start(kind).await?;
            browser.open(&site.url(page)).await?;
            println!("{}", site.report().await?);
            browser.close().await?;
        }
    }
    Ok(())
}
