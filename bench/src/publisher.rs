//! One connection that publishes: one request at a time, kept alive.

use std::io::{self, Read as _, Write as _};
use std::net::{self, SocketAddr};

use anyhow::{Context as _, Result, bail, ensure};
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use crate::http::{Chunks, Head};

/// A connection to the address that publishes.
pub(crate) struct Publisher {
    socket: Option<TcpStream>,
    /// What of the request has not gone out yet.
    unsent: Vec<u8>,
    answer: Answer,
}

/// How much of the answer has come.
enum Answer {
    /// Nothing was asked.
    Idle,
    Head(Vec<u8>),
    Length(u64),
    Chunked(Chunks),
}

impl Publisher {
    pub(crate) fn new() -> Self {
        Self { socket: None, unsent: Vec::new(), answer: Answer::Idle }
    }

    /// Sends a request; the last one must have been answered.
    pub(crate) fn send(
        &mut self,
        request: Vec<u8>,
        address: SocketAddr,
        registry: &Registry,
        token: Token,
    ) -> Result<()> {
        if self.socket.is_none() {
            // Blocking: on this machine the kernel answers for the server.
            let socket = net::TcpStream::connect(address).context("cannot connect to publish")?;
            socket.set_nonblocking(true)?;
            socket.set_nodelay(true)?;
            let mut socket = TcpStream::from_std(socket);
            registry.register(&mut socket, token, Interest::READABLE | Interest::WRITABLE)?;
            self.socket = Some(socket);
        }
        self.unsent = request;
        self.answer = Answer::Head(Vec::new());
        self.writable()
    }

    /// Sends what is left of the request.
    pub(crate) fn writable(&mut self) -> Result<()> {
        let Some(socket) = &mut self.socket else { return Ok(()) };
        while !self.unsent.is_empty() {
            match socket.write(&self.unsent) {
                Ok(n_sent) => drop(self.unsent.drain(..n_sent)),
                Err(err) if err.kind() == io::ErrorKind::WouldBlock => break,
                Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
                Err(err) => return Err(err).context("cannot publish"),
            }
        }
        Ok(())
    }

    /// Reads what has arrived. True when that completes an answer, so that the next request may go.
    pub(crate) fn readable(&mut self) -> Result<bool> {
        let Some(socket) = &mut self.socket else { return Ok(false) };
        let mut buffer = [0; 4096];
        let mut is_complete = false;
        loop {
            match socket.read(&mut buffer) {
                Ok(0) => {
                    // A server may let go of a connection that is idle; the next request opens another.
                    self.socket = None;
                    let is_idle = matches!(self.answer, Answer::Idle);
                    ensure!(is_idle, "the server closed the connection instead of answering a publish");
                    return Ok(is_complete);
                }
                Ok(n_read) => is_complete |= self.answer.take(&buffer[..n_read])?,
                Err(err) if err.kind() == io::ErrorKind::WouldBlock => return Ok(is_complete),
                Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
                Err(err) => return Err(err).context("a publishing connection broke"),
            }
        }
    }
}

impl Answer {
    /// True when this was the end of the answer.
    fn take(&mut self, received: &[u8]) -> Result<bool> {
        match self {
            Self::Idle => bail!("the server answered a publish twice"),
            Self::Head(head) => {
                head.extend_from_slice(received);
                let Some(parsed) = Head::parse(head)? else { return Ok(false) };
                ensure!((200..300).contains(&parsed.status), "a publish was refused with {}", parsed.status);
                let body = head.split_off(parsed.bytes);
                *self = if parsed.is_chunked {
                    Self::Chunked(Chunks::default())
                } else {
                    Self::Length(parsed.content_length.context("the answer to a publish has no length")?)
                };
                return self.take(&body);
            }
            Self::Length(left) => {
                *left = left.checked_sub(received.len() as u64).context("an answer is longer than it says")?;
                if *left > 0 {
                    return Ok(false);
                }
            }
            Self::Chunked(chunks) => {
                chunks.feed(received, &mut Vec::new())?;
                if !chunks.is_over() {
                    return Ok(false);
                }
            }
        }
        *self = Self::Idle;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_complete_with_its_last_byte() {
        let check = |text: &[u8]| {
            for cut in 0..text.len() {
                let mut answer = Answer::Head(Vec::new());
                assert!(!answer.take(&text[..cut]).unwrap(), "{cut}");
                assert!(answer.take(&text[cut..]).unwrap(), "{cut}");
            }
        };
        check(b"HTTP/1.1 204 No Content\r\n\r\n");
        check(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
        check(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n");
    }

    #[test]
    fn a_refusal_is_an_error() {
        let mut answer = Answer::Head(Vec::new());
        assert!(answer.take(b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n").is_err());
    }
}
