//! A site as small as can be, so that it takes no part in a race: the files of one folder, a page's report, and
//! streams of events. A stream is a file whose name ends in `.sse`, sent at once; it stays open after that.

use anyhow::{Context, Result};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// The longest that a page may race.
const PATIENCE: Duration = Duration::from_secs(600);

/// No page of ours reports more than some lines.
const MOST_REPORT_BYTES: usize = 1 << 20;

/// The site, while this value lives and its runtime does.
pub(crate) struct Site {
    port: u16,
    reports: mpsc::UnboundedReceiver<String>,
}

impl Site {
    /// Opens it on a free port.
    pub(crate) async fn of(folder: PathBuf) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("a port for the pages")?;
        let port = listener.local_addr()?.port();
        let (reporter, reports) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (folder, reporter) = (folder.clone(), reporter.clone());
                // A browser that goes away in the middle is no failure of the site.
                tokio::spawn(async move { answer(socket, &folder, &reporter).await.ok() });
            }
        });
        Ok(Self { port, reports })
    }

    pub(crate) fn url(&self, page: &str) -> String {
        format!("http://127.0.0.1:{}/{page}", self.port)
    }

    /// What the page that is open has to say when it is done. It is not asked, since that would slow it down.
    pub(crate) async fn report(&mut self) -> Result<String> {
        let report = timeout(PATIENCE, self.reports.recv()).await.context("the page does not report")?;
        report.context("the site is closed")
    }
}

async fn answer(mut socket: TcpStream, folder: &Path, reporter: &mpsc::UnboundedSender<String>) -> io::Result<()> {
    let mut request = BufReader::new(&mut socket);
    let mut first = String::new();
    request.read_line(&mut first).await?;
    let mut n_bytes = 0;
    loop {
        let mut line = String::new();
        request.read_line(&mut line).await?;
        let Some((name, value)) = line.split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            n_bytes = value.trim().parse().unwrap_or(0);
        }
    }

    let path = first.split(' ').nth(1).unwrap_or_default();
    let name = path.split('?').next().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
    if first.starts_with("POST") {
        let mut report = vec![0; MOST_REPORT_BYTES.min(n_bytes)];
        request.read_exact(&mut report).await?;
        // Whoever waited for it may have lost patience.
        let _ = reporter.send(String::from_utf8_lossy(&report).into_owned());
        return respond(&mut socket, "204 No Content", "text/plain", &[]).await;
    }
    let Ok(body) = std::fs::read(folder.join(name)) else {
        return respond(&mut socket, "404 Not Found", "text/plain", &[]).await;
    };
    let content_type = match name.rsplit('.').next() {
        Some("html") => "text/html",
        Some("js") => "text/javascript",
        Some("sse") => "text/event-stream",
        _ => "application/octet-stream",
    };
    respond(&mut socket, "200 OK", content_type, &body).await?;
    if content_type == "text/event-stream" {
        // Until the reader has gone.
        socket.read_u8().await?;
    }
    Ok(())
}

/// The end of the connection is the end of the body.
async fn respond(socket: &mut TcpStream, status: &str, content_type: &str, body: &[u8]) -> io::Result<()> {
    let head = format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\ncache-control: no-store\r\ncontent-type: {content_type}\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await?;
    socket.write_all(body).await
}
