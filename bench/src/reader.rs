//! One reader of the benchmark: it asks for the stream, and from then on only looks for stamps.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};
use mio::net::TcpStream;
use mio::{Registry, Token};

use crate::body::Body;
use crate::call::{Call, Left};
use crate::stamp::{Rest, Stamp, StampFinder};

/// One reader and its socket.
pub(crate) struct Reader {
    call: Call,
    rest: Rest,
    /// Of a stream that came compressed, and must be opened to find anything in it. A plain one is
    /// searched as it comes: an event lies in one chunk.
    gzip: Option<Body>,
}

/// What all readers share to read with.
pub(crate) struct ReadRoom {
    buffer: Vec<u8>,
    finder: StampFinder,
    wire_bytes: u64,
}

impl ReadRoom {
    pub(crate) fn new() -> Self {
        let buffer = vec![0; StampFinder::ROOM + Call::READ_BYTES];
        Self { buffer, finder: StampFinder::new(), wire_bytes: 0 }
    }

    /// What all readers have had of bodies, as it came.
    pub(crate) fn wire_bytes(&self) -> u64 {
        self.wire_bytes
    }
}

impl Reader {
    /// Begins to connect.
    pub(crate) fn connect(address: SocketAddr, registry: &Registry, token: Token) -> Result<Self> {
        let socket = TcpStream::connect(address).context("cannot connect")?;
        Ok(Self { call: Call::begin(socket, registry, token)?, rest: Rest::default(), gzip: None })
    }

    /// Whether the stream comes compressed; false until its head is there.
    pub(crate) fn is_gzip(&self) -> bool {
        self.call.head().is_some_and(|head| head.is_gzip)
    }

    pub(crate) fn is_streaming(&self) -> bool {
        self.call.is_open()
    }

    pub(crate) fn writable(&mut self, request: &[u8]) -> Result<()> {
        self.call.writable(request)
    }

    /// Reads all that has arrived and calls `found` for each stamp in it.
    pub(crate) fn readable(&mut self, room: &mut ReadRoom, mut found: impl FnMut(Stamp)) -> Result<()> {
        let ReadRoom { buffer, finder, wire_bytes } = room;
        let (rest, gzip) = (&mut self.rest, &mut self.gzip);
        let left = self.call.readable(buffer, StampFinder::ROOM, false, |head, body| {
            *wire_bytes += (body.len() - StampFinder::ROOM) as u64;
            if !head.is_gzip {
                finder.feed(rest, body, &mut found);
                return Ok(());
            }
            let mut text = vec![0; StampFinder::ROOM];
            gzip.get_or_insert_with(|| Body::new(head)).feed(&body[StampFinder::ROOM..], &mut text)?;
            finder.feed(rest, &mut text, &mut found);
            Ok(())
        })?;
        ensure!(left == Left::Open, "the server closed a stream");
        Ok(())
    }
}
