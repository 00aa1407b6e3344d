//! Where a page posts what it has decoded. A post is answered when the test has taken its body, not
//! before: that is how a page is made to read slowly.

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// A server for the posts of one page's reader. It ends with this value.
pub(crate) struct Sink {
    url: String,
    bodies: mpsc::Receiver<Vec<u8>>,
    accepting: JoinHandle<()>,
}

impl Sink {
    pub(crate) async fn open() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("a port for the sink")?;
        let url = format!("http://{}/", listener.local_addr()?);
        // Room for none but the one under way: `send` ends when the body before it was taken.
        let (sender, bodies) = mpsc::channel(1);
        let accepting = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let sender = sender.clone();
                tokio::spawn(async move { drop(answer(socket, &sender).await) });
            }
        });
        Ok(Self { url, bodies, accepting })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The next body; an empty one says that the stream has ended.
    pub(crate) async fn next(&mut self) -> Option<Vec<u8>> {
        self.bodies.recv().await
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Answers the posts of one connection until it is closed.
async fn answer(socket: TcpStream, bodies: &mpsc::Sender<Vec<u8>>) -> Result<()> {
    let mut socket = BufReader::new(socket);
    loop {
        let mut n_body_bytes = 0;
        loop {
            let mut line = String::new();
            if socket.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            if line.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                n_body_bytes = value.trim().parse()?;
            }
        }
        let mut body = vec![0; n_body_bytes];
        socket.read_exact(&mut body).await?;
        if bodies.send(body).await.is_err() {
            bail!("nobody takes it any more");
        }
        socket.get_mut().write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await?;
    }
}
