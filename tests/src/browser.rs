//! Real browsers, driven over WebDriver.

use crate::{eventually, part};
use anyhow::{Context, Result};
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use std::net::TcpListener;
use std::process::Stdio;
use tokio::process::{Child, Command};

/// Which browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrowserKind {
    /// Chromium, and with it Chrome, Edge and their like.
    Chromium,
    /// Firefox.
    Firefox,
}

/// A browser with one tab. It and its driver end with this value.
#[derive(Debug)]
pub struct Browser {
    client: Client,
    _driver: Child,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts one, headless.
    ///
    /// # Errors
    /// The browser or its driver is missing or does not start.
    pub async fn start(kind: BrowserKind) -> Result<Self> {
        let profile = tempfile::tempdir()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = match kind {
            BrowserKind::Chromium => {
                let mut command = Command::new(part("CHROMEDRIVER")?);
                command.arg(format!("--port={port}"));
                command
            }
            BrowserKind::Firefox => {
                let mut command = Command::new(part("GECKODRIVER")?);
                // Any free port for Marionette, so that two can run side by side.
                command.args(["--port", &port.to_string(), "--marionette-port", "0"]);
                command
            }
        };
        let driver = command
            .env("HOME", profile.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("start the browser's driver")?;

        let Value::Object(capabilities) = capabilities(kind, profile.path())? else {
            anyhow::bail!("capabilities are an object")
        };
        let url = format!("http://127.0.0.1:{port}");
        let client = eventually("the browser's driver", async || {
            let mut builder = ClientBuilder::new(HttpConnector::new());
            Ok(builder.capabilities(capabilities.clone()).connect(&url).await.ok())
        })
        .await?;
        Ok(Self { client, _driver: driver, _profile: profile })
    }

    /// Opens a page and waits until it is loaded.
    ///
    /// # Errors
    /// It cannot be loaded.
    pub async fn open(&self, url: &str) -> Result<()> {
        self.client.goto(url).await.with_context(|| format!("open {url}"))
    }

    /// Runs a script in the page; what it returns.
    ///
    /// # Errors
    /// It throws.
    pub async fn run(&self, script: &str) -> Result<Value> {
        self.client.execute(script, Vec::new()).await.with_context(|| format!("run {script}"))
    }

    /// Asks the page again and again until the script returns something that is true in JavaScript.
    ///
    /// # Errors
    /// It never does, or throws.
    pub async fn wait_for(&self, script: &str) -> Result<Value> {
        eventually(script, async || {
            let value = self.run(&format!("return ({script})")).await?;
            let is_true = !matches!(value, Value::Null | Value::Bool(false)) && value != 0 && value != "";
            Ok(is_true.then_some(value))
        })
        .await
    }

    /// Ends the browser in an orderly way.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn close(self) -> Result<()> {
        self.client.clone().close().await.context("close the browser")
    }
}

fn capabilities(kind: BrowserKind, profile: &std::path::Path) -> Result<Value> {
    Ok(match kind {
        BrowserKind::Chromium => json!({
            "browserName": "chrome",
            "goog:chromeOptions": {
                "binary": part("CHROMIUM")?,
                "args": [
                    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                    "--disable-background-networking", "--disable-component-update", "--disable-sync",
                    "--disable-dev-shm-usage", format!("--user-data-dir={}", profile.join("chromium").display()),
                ],
            },
        }),
        BrowserKind::Firefox => json!({
            "browserName": "firefox",
            "moz:firefoxOptions": { "binary": part("FIREFOX")?, "args": ["-headless"] },
        }),
    })
}
