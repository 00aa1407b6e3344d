//! The five that decode: each asks for a stream, and gives the test what it makes of it.

use anyhow::{Context, Result};
use heartwire_tests::Browser;
use serde_json::json;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStdout, Command};

use crate::sink::Sink;

/// Who decodes.
#[derive(Clone)]
pub(crate) enum Decoder {
    Curl,
    Node,
    Python,
    /// A page of this browser, by `fetch`.
    Fetch(Arc<Browser>),
    /// A page of this browser, by a plain `EventSource`. It reads as fast as it can, hides the head of
    /// the answer, and comes back by itself.
    EventSource(Arc<Browser>),
}

/// A stream that is being read. It is let go of without a word when this value goes.
pub(crate) enum Source {
    Process { _child: Child, stdout: ChildStdout },
    Page(Sink),
}

impl Decoder {
    /// Whether the test gets to see the head of the answer.
    pub(crate) fn shows_head(&self) -> bool {
        !matches!(self, Self::EventSource(_))
    }

    /// Whether it stops reading when the test does.
    pub(crate) fn can_lag(&self) -> bool {
        !matches!(self, Self::EventSource(_))
    }

    /// Asks for the stream at `url`.
    pub(crate) async fn open(&self, url: &str, last_event_id: Option<&str>) -> Result<Source> {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("decoders");
        let (program, script) = match self {
            Self::Curl => {
                let mut curl = Command::new("curl");
                // With its head, and without waiting for more before it writes.
                curl.args(["--silent", "--no-buffer", "--include", "--compressed"]);
                if let Some(id) = last_event_id {
                    curl.args(["--header", &format!("Last-Event-ID: {id}")]);
                }
                return process(curl.arg(url));
            }
            Self::Node => ("node", scripts.join("reader.mjs")),
            Self::Python => ("python3", scripts.join("reader.py")),
            Self::Fetch(browser) => {
                let sink = Sink::open().await?;
                browser.run(&format!("read({}, {}, {})", json!(url), json!(last_event_id), json!(sink.url()))).await?;
                return Ok(Source::Page(sink));
            }
            Self::EventSource(browser) => {
                let sink = Sink::open().await?;
                let resume = last_event_id.map_or_else(String::new, |id| format!("&last_event_id={id}"));
                let (url, types) = (json!(url.to_owned() + &resume), json!(EVENT_TYPES));
                browser.run(&format!("listen({url}, {}, {types})", json!(sink.url()))).await?;
                return Ok(Source::Page(sink));
            }
        };
        process(Command::new(program).arg(script).arg(url).args(last_event_id))
    }
}

/// An `EventSource` is told of no type that it was not asked to listen for.
const EVENT_TYPES: [&str; 7] = ["message", "progress", "note", "connected", "heartbeat", "gap", "closing"];

fn process(command: &mut Command) -> Result<Source> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("start {}", command.as_std().get_program().display()))?;
    let stdout = child.stdout.take().context("its standard output")?;
    Ok(Source::Process { _child: child, stdout })
}

impl Source {
    /// What was decoded next; empty at the end of the stream.
    pub(crate) async fn next(&mut self) -> Result<Vec<u8>> {
        match self {
            Self::Process { stdout, .. } => {
                let mut bytes = vec![0; 64 * 1024];
                let n_read = stdout.read(&mut bytes).await?;
                bytes.truncate(n_read);
                Ok(bytes)
            }
            Self::Page(sink) => sink.next().await.context("the page's posts have ended"),
        }
    }
}
