//! Real browsers, driven over WebDriver.

use crate::wait::PATIENCE;
use crate::{eventually, part};
use anyhow::{Context, Result};
use fantoccini::wd::{WebDriverCompatibleCommand, WindowHandle};
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use reqwest::{Method, Url};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

/// Which browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrowserKind {
    /// Chromium, and with it Chrome, Edge and their like.
    Chromium,
    /// Firefox.
    Firefox,
}

/// A name of this machine by which no browser knows it: to a page that is loaded from there over plain HTTP all is denied
/// that takes a secure context. A server must be allowed to answer to it.
pub const INSECURE_HOST: &str = "heartwire.test";

/// One tab of a browser.
pub type Tab = WindowHandle;

/// A browser with one tab, at first. It and its driver end with this value.
#[derive(Debug)]
pub struct Browser {
    kind: BrowserKind,
    client: Client,
    /// Where the driver listens.
    port: u16,
    session: String,
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
        // Each driver takes a port that is free at that moment, and tells which: one that was free a moment ago
        // may be somebody else's by now.
        let mut command = match kind {
            BrowserKind::Chromium => {
                let mut command = Command::new(part("CHROMEDRIVER")?);
                command.arg("--port=0");
                command
            }
            BrowserKind::Firefox => {
                let mut command = Command::new(part("GECKODRIVER")?);
                command.args(["--port", "0", "--marionette-port", "0"]);
                command
            }
        };
        let mut driver = command
            .env("HOME", profile.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("start the browser's driver")?;
        let stdout = driver.stdout.take().context("the driver's standard output")?;
        let port = timeout(PATIENCE, port(stdout)).await.context("the browser's driver does not get ready")??;

        let Value::Object(capabilities) = capabilities(kind, profile.path())? else {
            anyhow::bail!("capabilities are an object")
        };
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .with_context(|| format!("start {kind:?}"))?;
        let session = client.session_id().await?.context("the browser has a session")?;
        Ok(Self { kind, client, port, session, _driver: driver, _profile: profile })
    }

    /// Which one it is.
    #[must_use]
    pub fn kind(&self) -> BrowserKind {
        self.kind
    }

    /// The tab that everything is about until [`switch_to`](Self::switch_to).
    ///
    /// # Errors
    /// It has gone.
    pub async fn tab(&self) -> Result<Tab> {
        self.client.window().await.context("name the tab")
    }

    /// Opens another tab and goes on in there.
    ///
    /// # Errors
    /// There can be no more.
    pub async fn new_tab(&self) -> Result<Tab> {
        let tab = self.client.new_window(true).await.context("open a tab")?.handle;
        self.switch_to(&tab).await?;
        Ok(tab)
    }

    /// Goes on in another tab, as a person does who looks at it.
    ///
    /// # Errors
    /// It has gone.
    pub async fn switch_to(&self, tab: &Tab) -> Result<()> {
        self.client.switch_to_window(tab.clone()).await.context("look at another tab")
    }

    /// Closes the tab. Go on in another.
    ///
    /// # Errors
    /// It has gone already.
    pub async fn close_tab(&self) -> Result<()> {
        self.client.close_window().await.context("close the tab")
    }

    /// Leaves one tab with nothing in it and no cookies, for another story.
    ///
    /// # Errors
    /// A tab hangs or has crashed: [`close`](Self::close) this browser and start another.
    pub async fn clear(&self) -> Result<()> {
        let told = self.client.windows().await.context("name the tabs")?;
        let empty = self.new_tab().await?;
        for tab in told {
            self.switch_to(&tab).await?;
            // To cookies the ports of a host are one, so the next story's server would be sent them.
            self.client.delete_all_cookies().await.context("delete the cookies")?;
            self.close_tab().await?;
        }
        self.switch_to(&empty).await?;
        self.wait_for("document.visibilityState === 'visible'").await?;
        Ok(())
    }

    /// Loads the page again.
    ///
    /// # Errors
    /// It cannot be loaded.
    pub async fn reload(&self) -> Result<()> {
        self.client.refresh().await.context("load the page again")
    }

    /// Goes back in the tab's history.
    ///
    /// # Errors
    /// There is nothing to go back to.
    pub async fn back(&self) -> Result<()> {
        self.client.back().await.context("go back")
    }

    /// Sends Chromium a command of its DevTools protocol, about the tab.
    ///
    /// # Errors
    /// It fails, or this is no Chromium.
    pub async fn devtools(&self, command: &str, parameters: Value) -> Result<Value> {
        let command = DevTools { body: json!({ "cmd": command, "params": parameters }).to_string() };
        Ok(self.client.issue_cmd(command).await?)
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

impl Drop for Browser {
    /// Ends the browser unless it was closed, as where a story has panicked: the driver would leave it behind.
    fn drop(&mut self) {
        // Whoever unwinds cannot wait for a future. geckodriver obeys only those who call it by its own address.
        let end = || {
            let mut driver = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
            driver.set_read_timeout(Some(PATIENCE))?;
            write!(
                driver,
                "DELETE /session/{} HTTP/1.1\r\nhost: 127.0.0.1:{}\r\nconnection: close\r\n\r\n",
                self.session, self.port
            )?;
            // It answers when the browser has ended, and may keep the connection.
            driver.read(&mut [0])
        };
        // Neither is there anybody to tell: a driver that is gone has nothing left to end.
        let _: std::io::Result<usize> = end();
    }
}

/// The port that a driver says it listens on.
async fn port(stdout: ChildStdout) -> Result<u16> {
    let mut lines = BufReader::new(stdout).lines();
    loop {
        let line = lines.next_line().await?.context("the browser's driver ended before it was ready")?;
        let said = ["started successfully on port ", "Listening on 127.0.0.1:"];
        let Some((_, port)) = said.iter().find_map(|said| line.split_once(said)) else { continue };
        // Whatever else it says must find a reader, or it would stop saying it, and working.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        return port.trim_end_matches('.').parse().with_context(|| format!("a port in {line:?}"));
    }
}

fn capabilities(kind: BrowserKind, profile: &std::path::Path) -> Result<Value> {
    Ok(match kind {
        BrowserKind::Chromium => json!({
            "browserName": "chrome",
            // The certificates of tests are vouched for by nobody.
            "acceptInsecureCerts": true,
            "goog:chromeOptions": {
                "binary": part("CHROMIUM")?,
                "args": [
                    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                    "--disable-background-networking", "--disable-component-update", "--disable-sync",
                    "--disable-dev-shm-usage", format!("--user-data-dir={}", profile.join("chromium").display()),
                    format!("--host-resolver-rules=MAP {INSECURE_HOST} 127.0.0.1"),
                ],
            },
        }),
        BrowserKind::Firefox => json!({
            "browserName": "firefox",
            "acceptInsecureCerts": true,
            "moz:firefoxOptions": {
                "binary": part("FIREFOX")?,
                "args": ["-headless"],
                // Any name is this machine's. It has no rule for one name that would not also call it secure.
                "prefs": { "network.dns.forceResolve": "127.0.0.1" },
            },
        }),
    })
}

/// What chromedriver passes on to the browser.
#[derive(Debug)]
struct DevTools {
    body: String,
}

impl WebDriverCompatibleCommand for DevTools {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, <Url as std::str::FromStr>::Err> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.clone()))
    }
}
