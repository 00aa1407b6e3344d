//! One request for a stream: it connects, asks, reads the head of the answer, and from then on hands
//! out the body as it comes. What the body means is its owner's business.

use std::io::{self, Read as _, Write as _};

use anyhow::{Context as _, Result, bail, ensure};
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use crate::http::Head;

/// A socket and how far the answer on it has come.
pub(crate) struct Call {
    socket: TcpStream,
    stage: Stage,
}

enum Stage {
    Connecting,
    /// The request has gone out. So much of the answer's head has come.
    Head(Vec<u8>),
    Body(Head),
}

/// What a socket has left once it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// More may come.
    Open,
    /// The server has closed the stream.
    Closed,
}

impl Call {
    /// A reader that is far behind is read in several goes.
    pub(crate) const READ_BYTES: usize = 64 * 1024;

    /// Begins on a socket that is connecting.
    pub(crate) fn begin(mut socket: TcpStream, registry: &Registry, token: Token) -> Result<Self> {
        registry.register(&mut socket, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self { socket, stage: Stage::Connecting })
    }

    /// The head of the answer, once it is there.
    pub(crate) fn head(&self) -> Option<Head> {
        match self.stage {
            Stage::Body(head) => Some(head),
            _ => None,
        }
    }

    /// Whether the head of the answer is there.
    pub(crate) fn is_open(&self) -> bool {
        self.head().is_some()
    }

    pub(crate) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// The socket can be written to: for a new one this means that it is connected.
    pub(crate) fn writable(&mut self, request: &[u8]) -> Result<()> {
        if !matches!(self.stage, Stage::Connecting) {
            return Ok(());
        }
        if let Some(err) = self.socket.take_error()? {
            return Err(err).context("cannot connect");
        }
        let n_sent = self.socket.write(request).context("cannot ask for the stream")?;
        ensure!(n_sent == request.len(), "a new socket did not take a whole request");
        self.stage = Stage::Head(Vec::new());
        Ok(())
    }

    /// Reads all that has arrived into `buffer`, behind its first `room` bytes, and calls `body` for
    /// each piece of the body. The piece has that room in front of it, to write over.
    ///
    /// A short read has emptied the socket, and asking again would cost as much as the read itself. But
    /// where `end_may_be_here`, come along with the bytes, no other edge tells of it, and only asking does.
    pub(crate) fn readable(
        &mut self,
        buffer: &mut [u8],
        room: usize,
        end_may_be_here: bool,
        mut body: impl FnMut(Head, &mut [u8]) -> Result<()>,
    ) -> Result<Left> {
        loop {
            let n_read = match self.socket.read(&mut buffer[room..]) {
                Ok(0) => return Ok(Left::Closed),
                Ok(n_read) => n_read,
                Err(err) if err.kind() == io::ErrorKind::WouldBlock => return Ok(Left::Open),
                Err(err) if err.kind() == io::ErrorKind::Interrupted => continue,
                Err(err) => return Err(err).context("a stream broke"),
            };
            let received = &mut buffer[..room + n_read];
            match &mut self.stage {
                Stage::Connecting => bail!("the server spoke before it was asked"),
                Stage::Body(head) => body(*head, received)?,
                Stage::Head(head) => {
                    head.extend_from_slice(&received[room..]);
                    if let Some(parsed) = Head::parse(head)? {
                        ensure!(parsed.status == 200, "a stream was refused with {}", parsed.status);
                        let mut with_room = [&vec![0; room], &head[parsed.bytes..]].concat();
                        self.stage = Stage::Body(parsed);
                        body(parsed, &mut with_room)?;
                    }
                }
            }
            if n_read < buffer.len() - room && !end_may_be_here {
                return Ok(Left::Open);
            }
        }
    }
}
