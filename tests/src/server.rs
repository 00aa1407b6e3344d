//! The real server, as a process of its own.

use crate::{http, part};
use anyhow::{Context, Result, bail, ensure};
use reqwest::header::{AUTHORIZATION, HeaderMap};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// A running `heartwire serve`. It dies with this value.
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: SocketAddr,
    /// `http` or `https`.
    scheme: String,
    settings: Vec<String>,
    client: reqwest::Client,
}

impl Server {
    /// Starts a server on a free port, with these flags, and waits until it is ready.
    ///
    /// # Errors
    /// It does not get ready.
    pub async fn start(settings: &[&str]) -> Result<Self> {
        let settings: Vec<String> = settings.iter().map(ToString::to_string).collect();
        let (child, scheme, address) = spawn("127.0.0.1:0", &settings).await?;
        Ok(Self { child, address, scheme, settings, client: http::client().build()? })
    }

    /// Sends this token with each of its own requests from now on.
    ///
    /// # Errors
    /// The token has characters that no header can hold.
    pub fn with_token(mut self, token: &str) -> Result<Self> {
        let headers = HeaderMap::from_iter([(AUTHORIZATION, format!("Bearer {token}").parse()?)]);
        self.client = http::client().default_headers(headers).build()?;
        Ok(self)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of a path on it.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    /// The process, for signals.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Ends it with SIGKILL: no farewell, no flush.
    ///
    /// # Errors
    /// It cannot be killed.
    pub async fn kill(&mut self) -> Result<()> {
        self.child.kill().await.context("kill the server")
    }

    /// Waits until it ends by itself; its exit code, or `None` when a signal ended it.
    ///
    /// # Errors
    /// It cannot be waited for.
    pub async fn ended(&mut self) -> Result<Option<i32>> {
        Ok(self.child.wait().await?.code())
    }

    /// Starts it again on the same port after [`kill`](Self::kill).
    ///
    /// # Errors
    /// It does not get ready.
    pub async fn restart(&mut self) -> Result<()> {
        let (child, _, address) = spawn(&self.address.to_string(), &self.settings).await?;
        ensure!(address == self.address, "it came back as {address}");
        self.child = child;
        Ok(())
    }

    /// Publishes one event; its id.
    ///
    /// # Errors
    /// It was refused.
    pub async fn publish(&self, topic: &str, data: &str) -> Result<String> {
        let url = self.url(&format!("/events?topic={topic}"));
        let answer = self.client.post(url).body(data.to_owned()).send().await?.error_for_status()?;
        let answer: serde_json::Value = serde_json::from_str(&answer.text().await?)?;
        Ok(answer["id"].as_str().context("the answer has an id")?.to_owned())
    }

    /// Publishes many events of one topic in one request.
    ///
    /// # Errors
    /// They were refused.
    pub async fn publish_all(&self, topic: &str, payloads: &[String]) -> Result<()> {
        let lines: Vec<_> = payloads.iter().map(|data| serde_json::json!({ "topic": topic, "data": data })).collect();
        self.publish_lines(&lines).await
    }

    /// Publishes many events in one request: `topic`, `type` and `data` of each.
    ///
    /// # Errors
    /// They were refused.
    pub async fn publish_lines(&self, lines: &[serde_json::Value]) -> Result<()> {
        let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
        self.client
            .post(self.url("/events"))
            .header("content-type", "application/x-ndjson")
            .body(lines.join("\n"))
            .send()
            .await?
            .error_for_status()?;
        Ok(())
    }

    /// Throws the server's half of the switch.
    ///
    /// # Errors
    /// It was refused.
    pub async fn set_enabled(&self, enabled: bool) -> Result<()> {
        let url = self.url("/events/switch");
        let body = serde_json::json!({ "enabled": enabled }).to_string();
        let request = self.client.put(url).header("content-type", "application/json").body(body);
        request.send().await?.error_for_status()?;
        Ok(())
    }

    /// How many streams are open.
    ///
    /// # Errors
    /// It does not say.
    pub async fn active_connections(&self) -> Result<u64> {
        let (_, body) = self.get("/events/health").await?;
        let health: serde_json::Value = serde_json::from_str(&body)?;
        health["active_connections"].as_u64().context("the health tells how many streams are open")
    }

    /// What `GET` of a path answers: status and body.
    ///
    /// # Errors
    /// There is no answer.
    pub async fn get(&self, path: &str) -> Result<(u16, String)> {
        let answer = self.client.get(self.url(path)).send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }
}

async fn spawn(listen: &str, settings: &[String]) -> Result<(Child, String, SocketAddr)> {
    let mut child = heartwire()?
        .args(["serve", "--listen", listen])
        .args(settings)
        .stdout(Stdio::piped())
        .spawn()
        .context("start the server")?;
    let stdout = child.stdout.take().context("its standard output")?;
    let mut lines = BufReader::new(stdout).lines();
    let Some(ready) = lines.next_line().await? else { bail!("the server ended before it was ready") };
    let url = ready.rsplit(' ').next().and_then(|url| url.split_once("://"));
    let (scheme, rest) = url.with_context(|| format!("a URL in {ready:?}"))?;
    let address = rest.trim_end_matches('/').parse().with_context(|| format!("an address in {ready:?}"))?;
    Ok((child, scheme.to_owned(), address))
}

/// The binary under test. What it starts dies with the test.
///
/// # Errors
/// Nobody said where it is.
pub fn heartwire() -> Result<Command> {
    let mut command = Command::new(part("HEARTWIRE_BIN")?);
    // The binary refuses what it does not know in the environment, the names of these parts too.
    command
        .env_remove("HEARTWIRE_BIN")
        .env_remove("HEARTWIRE_EXAMPLES")
        .env_remove("HEARTWIRE_WWW")
        .env_remove("HEARTWIRE_PACKAGING")
        .env_remove("RUST_LOG");
    command.kill_on_drop(true).stdin(Stdio::null());
    Ok(command)
}

/// A certificate for this machine and its key, which no authority vouches for, in a folder: `cert.pem` and
/// `key.pem`.
///
/// # Errors
/// It cannot be made or written.
pub fn certificate() -> Result<tempfile::TempDir> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()])?;
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("cert.pem"), made.cert.pem())?;
    std::fs::write(folder.path().join("key.pem"), made.signing_key.serialize_pem())?;
    Ok(folder)
}

/// A folder to serve: the packaged client, and one page of the test's own.
///
/// # Errors
/// The package is not there or cannot be copied.
pub fn folder_with_page(page: &str) -> Result<tempfile::TempDir> {
    let folder = tempfile::tempdir()?;
    copy(&part("HEARTWIRE_WWW")?.join("heartwire"), &folder.path().join("heartwire"))?;
    std::fs::write(folder.path().join("index.html"), page)?;
    Ok(folder)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from).with_context(|| format!("read {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
