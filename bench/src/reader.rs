//! One reader: it connects, asks for the stream, and from then on only looks for stamps.

use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail, ensure};
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use crate::http::Head;
use crate::stamp::{Rest, Stamp, StampFinder};

/// One reader and its socket.
pub(crate) struct Reader {
    socket: TcpStream,
    stage: Stage,
}

enum Stage {
    Connecting,
    /// The request has gone out. So much of the answer's head has come.
    Head(Vec<u8>),
    Streaming(Rest),
}

/// What all readers share to read with.
pub(crate) struct ReadRoom {
    buffer: Vec<u8>,
    finder: StampFinder,
}

impl ReadRoom {
    /// A reader that is far behind is read in several goes.
    const READ_BYTES: usize = 64 * 1024;

    pub(crate) fn new() -> Self {
        Self { buffer: vec![0; StampFinder::ROOM + Self::READ_BYTES], finder: StampFinder::new() }
    }
}

impl Reader {
    /// Begins to connect.
    pub(crate) fn connect(address: SocketAddr, registry: &Registry, token: Token) -> Result<Self> {
        let mut socket = TcpStream::connect(address).context("cannot connect")?;
        registry.register(&mut socket, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self { socket, stage: Stage::Connecting })
    }

    pub(crate) fn is_streaming(&self) -> bool {
        matches!(self.stage, Stage::Streaming(_))
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

    /// Reads all that has arrived and calls `found` for each stamp in it.
    pub(crate) fn readable(&mut self, room: &mut ReadRoom, mut found: impl FnMut(Stamp)) -> Result<()> {
        loop {
            let received = &mut room.buffer[StampFinder::ROOM..];
            let n_read = match self.socket.read(received) {
                Ok(0) => bail!("the server closed a stream"),
                Ok(n_read) => n_read,
                Err(err) if err.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(err) if err.kind() == io::ErrorKind::Interrupted => continue,
                Err(err) => return Err(err).context("a stream broke"),
            };
            self.take(room, n_read, &mut found)?;
            // A short read has emptied the socket, so the next edge will tell; asking again would
            // cost as much as the read itself.
            if n_read < ReadRoom::READ_BYTES {
                return Ok(());
            }
        }
    }

    fn take(&mut self, room: &mut ReadRoom, n_read: usize, found: &mut impl FnMut(Stamp)) -> Result<()> {
        let end = StampFinder::ROOM + n_read;
        match &mut self.stage {
            Stage::Connecting => bail!("the server spoke before it was asked"),
            Stage::Streaming(rest) => room.finder.feed(rest, &mut room.buffer[..end], found),
            Stage::Head(head) => {
                head.extend_from_slice(&room.buffer[StampFinder::ROOM..end]);
                if let Some(Head { status, bytes, .. }) = Head::parse(head)? {
                    ensure!(status == 200, "a stream was refused with {status}");
                    // Usually nothing: no event was published yet.
                    let mut rest = Rest::default();
                    let mut body = [&[0; StampFinder::ROOM], &head[bytes..]].concat();
                    room.finder.feed(&mut rest, &mut body, found);
                    self.stage = Stage::Streaming(rest);
                }
            }
        }
        Ok(())
    }
}
