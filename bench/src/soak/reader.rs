//! One reader of the soak over all its streams: what it is doing, and its account.

use std::io;
use std::net::{Shutdown, SocketAddr};

use anyhow::{Context as _, Result};
use heartwire_protocol::Decoder;
use mio::net::TcpStream;
use mio::{Registry, Token};
use socket2::{Domain, SockRef, Socket, Type};

use super::account::{Account, Published, Tally};
use crate::call::{Call, Left};
use crate::http::Chunks;

/// What a socket buffers for a reader. Little, so that one that stops reading is felt by the server
/// within seconds.
const RECEIVE_BUFFER_BYTES: usize = 8 * 1024;
/// No event of ours is nearly so long.
const MAX_EVENT_BYTES: usize = 64 * 1024;

/// A reader, with or without a stream.
#[derive(Default)]
pub(super) struct Reader {
    pub(super) account: Account,
    stream: Option<Stream>,
    /// It reads nothing for now.
    is_deaf: bool,
    /// It was, on this stream: the server may have ended it, or the kernel may have given it up.
    was_deaf: bool,
    /// It has closed its side and waits for the server's.
    is_parting: bool,
    /// Counts what happens to it, so that what was planned for an earlier stream is not done to a later one.
    pub(super) turn: u32,
}

struct Stream {
    call: Call,
    request: Vec<u8>,
    chunks: Chunks,
    body: Vec<u8>,
    decoder: Decoder,
}

/// What came of looking at a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Looked {
    Here,
    /// The stream is over: it must come again.
    Gone,
}

impl Reader {
    /// Asks for a stream of `path`.
    pub(super) fn come(
        &mut self,
        resumes: bool,
        (address, path): (SocketAddr, &str),
        published: Published,
        (registry, token): (&Registry, Token),
    ) -> Result<()> {
        let after = self.account.ask(resumes, published);
        let resume = after.map_or_else(String::new, |after| format!("Last-Event-ID: {after}\r\n"));
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\n{resume}\r\n").into_bytes();
        let call = Call::begin(connect(address)?, registry, token)?;
        let (chunks, decoder) = (Chunks::default(), Decoder::new(MAX_EVENT_BYTES));
        self.stream = Some(Stream { call, request, chunks, body: Vec::new(), decoder });
        (self.is_deaf, self.was_deaf, self.is_parting) = (false, false, false);
        self.turn += 1;
        Ok(())
    }

    /// Whether it has a stream and reads it.
    pub(super) fn is_listening(&self) -> bool {
        self.is_connected() && !self.is_deaf
    }

    /// Whether the server owes it a place: its stream has begun, and it has not said goodbye.
    pub(super) fn is_connected(&self) -> bool {
        !self.is_parting && self.stream.as_ref().is_some_and(|stream| stream.call.is_open())
    }

    pub(super) fn is_away(&self) -> bool {
        self.stream.is_none()
    }

    pub(super) fn is_deaf(&self) -> bool {
        self.is_deaf
    }

    pub(super) fn fall_deaf(&mut self) {
        (self.is_deaf, self.was_deaf) = (true, true);
        self.turn += 1;
    }

    /// It reads again: then look, since the poll has told already.
    pub(super) fn hear_again(&mut self) {
        self.is_deaf = false;
        self.turn += 1;
    }

    /// Says that nothing more comes from this side.
    pub(super) fn part(&mut self) {
        if let Some(stream) = &self.stream {
            self.is_parting = true;
            self.turn += 1;
            // One that the server has just closed is parted from as well.
            let _ = stream.call.socket().shutdown(Shutdown::Write);
        }
    }

    /// Leaves without a word; `resets` throws away what is under way.
    pub(super) fn leave(&mut self, resets: bool) -> Result<()> {
        if let Some(stream) = self.stream.take()
            && resets
        {
            let at_once = Some(std::time::Duration::ZERO);
            SockRef::from(stream.call.socket()).set_linger(at_once).context("a socket cannot be reset")?;
        }
        self.account.leave();
        (self.is_deaf, self.is_parting) = (false, false);
        self.turn += 1;
        Ok(())
    }

    pub(super) fn writable(&mut self) -> Result<()> {
        self.stream.as_mut().map_or(Ok(()), |stream| stream.call.writable(&stream.request))
    }

    /// Reads what has arrived, unless it is deaf; with the end of the stream, if that may be there.
    pub(super) fn readable(
        &mut self,
        buffer: &mut [u8],
        end_may_be_here: bool,
        published: Published,
        tally: &mut Tally,
    ) -> Result<Looked> {
        if self.is_deaf {
            return Ok(Looked::Here);
        }
        let Some(Stream { call, chunks, body, decoder, .. }) = &mut self.stream else { return Ok(Looked::Gone) };
        let account = &mut self.account;
        let read = call.readable(buffer, 0, end_may_be_here, |_, received| {
            body.clear();
            chunks.feed(received, body)?;
            decoder.feed(body);
            while let Some(event) = decoder.next_event()? {
                account.take(&event, published, tally);
            }
            Ok(())
        });
        match read {
            Ok(Left::Open) => return Ok(Looked::Here),
            // The end was said in the body, or is what a reader that was deaf or has parted must expect.
            Ok(Left::Closed) if chunks.is_over() || self.was_deaf || self.is_parting => {}
            Ok(Left::Closed) => tally.fault("a stream ended without a word"),
            Err(err) if (self.was_deaf || self.is_parting) && is_reset(&err) => {}
            Err(err) => tally.fault(&format!("{err:#}")),
        }
        self.leave(false)?;
        Ok(Looked::Gone)
    }
}

/// Begins to connect.
fn connect(address: SocketAddr) -> Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), None).context("no socket")?;
    // Before it connects: afterwards the window was offered already.
    socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
    match socket.connect(&address.into()) {
        Err(err) if err.raw_os_error() != Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {
            Err(err).context("cannot connect")
        }
        _ => Ok(TcpStream::from_std(socket.into())),
    }
}

/// What the kernel says when it has given up a peer that took no byte for long.
fn is_reset(err: &anyhow::Error) -> bool {
    let kinds = [io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe, io::ErrorKind::TimedOut];
    err.downcast_ref::<io::Error>().is_some_and(|err| kinds.contains(&err.kind()))
}
