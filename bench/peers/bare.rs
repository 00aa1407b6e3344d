//! A peer of the benchmark, and the floor under the others: one thread, and for each event one bare
//! `write` per reader. `heartwire-bench-bare PORT`
//!
//! It understands exactly what the load generator sends: `GET` opens a stream, `POST` publishes its
//! body. It has no topics, no history and no heartbeats, and its streams end when the connection does.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context as _, Result};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Registry, Token};

const LISTENER: Token = Token(0);
const STREAM_HEAD: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-store\r\nconnection: close\r\n\r\n";
const PUBLISHED: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";
const MAX_REQUEST_BYTES: usize = 64 * 1024;

struct Connection {
    socket: TcpStream,
    /// Of a request that has not arrived in full.
    received: Vec<u8>,
    /// What the socket did not take yet.
    unsent: Vec<u8>,
    is_reader: bool,
}

struct Server {
    poll: Poll,
    listener: TcpListener,
    /// By token, less one for the listener. The place of one that has gone is taken again.
    connections: Vec<Option<Connection>>,
    vacant: Vec<usize>,
}

#[derive(Debug, PartialEq, Eq)]
struct Request<'a> {
    /// From the first byte of the head to the last of the body.
    bytes: usize,
    /// What is published; `None` for a request to stream.
    body: Option<&'a [u8]>,
}

fn main() -> Result<()> {
    let port = std::env::args().nth(1).context("name a port")?.parse().context("the port")?;
    let mut server = Server::listen(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    let mut events = Events::with_capacity(1024);
    loop {
        match server.poll.poll(&mut events, None) {
            Err(err) if err.kind() == io::ErrorKind::Interrupted => continue,
            polled => polled.context("cannot wait for sockets")?,
        }
        for event in &events {
            match event.token() {
                LISTENER => server.accept()?,
                Token(token) => server.serve(token - 1),
            }
        }
    }
}

impl Server {
    fn listen(address: SocketAddr) -> Result<Self> {
        let poll = Poll::new().context("cannot make a poll")?;
        let mut listener = TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Self { poll, listener, connections: Vec::new(), vacant: Vec::new() })
    }

    fn accept(&mut self) -> Result<()> {
        loop {
            let mut socket = match self.listener.accept() {
                Ok((socket, _)) => socket,
                Err(err) if err.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(err) => return Err(err).context("cannot accept"),
            };
            socket.set_nodelay(true)?;
            let place = self.vacant.pop().unwrap_or(self.connections.len());
            register(self.poll.registry(), &mut socket, place)?;
            let connection = Connection { socket, received: Vec::new(), unsent: Vec::new(), is_reader: false };
            if place == self.connections.len() {
                self.connections.push(None);
            }
            self.connections[place] = Some(connection);
        }
    }

    /// Whatever can be done for a connection: reading a request, answering it, sending the rest.
    fn serve(&mut self, place: usize) {
        let Some(connection) = self.connections.get_mut(place).and_then(Option::as_mut) else { return };
        let mut published = Vec::new();
        let served = connection.flush().and_then(|()| connection.answer_requests(&mut published));
        if served.is_err() {
            self.let_go(place);
        }
        for event in published {
            self.fan_out(&event);
        }
    }

    /// The floor itself.
    fn fan_out(&mut self, event: &[u8]) {
        for place in 0..self.connections.len() {
            let Some(connection) = &mut self.connections[place] else { continue };
            if connection.is_reader && connection.send(event).is_err() {
                self.let_go(place);
            }
        }
    }

    fn let_go(&mut self, place: usize) {
        self.connections[place] = None;
        self.vacant.push(place);
    }
}

impl Connection {
    /// Answers what has arrived in full. An error means that the connection is over.
    fn answer_requests(&mut self, published: &mut Vec<Vec<u8>>) -> io::Result<()> {
        let mut buffer = [0; 4096];
        loop {
            match self.socket.read(&mut buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => self.received.extend_from_slice(&buffer[..n]),
                Err(err) if err.kind() == io::ErrorKind::WouldBlock => break,
                Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
                Err(err) => return Err(err),
            }
        }
        while let Some(Request { bytes, body }) = Request::parse(&self.received)? {
            match body {
                Some(body) => {
                    published.push([b"data: ", body, b"\n\n"].concat());
                    self.send(PUBLISHED)?;
                }
                None => {
                    self.is_reader = true;
                    self.send(STREAM_HEAD)?;
                }
            }
            self.received.drain(..bytes);
        }
        if self.received.is_empty() {
            // A reader sends nothing more, so an idle one keeps no buffer.
            self.received = Vec::new();
        }
        Ok(())
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        if !self.unsent.is_empty() {
            self.unsent.extend_from_slice(bytes);
            return Ok(());
        }
        let n_sent = write_some(&mut self.socket, bytes)?;
        self.unsent.extend_from_slice(&bytes[n_sent..]);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.unsent.is_empty() {
            let n_sent = write_some(&mut self.socket, &self.unsent)?;
            self.unsent.drain(..n_sent);
        }
        Ok(())
    }
}

/// Edge-triggered, and for both directions at once: `EPOLLOUT` comes again when a full socket has room.
fn register(registry: &Registry, socket: &mut TcpStream, place: usize) -> io::Result<()> {
    registry.register(socket, Token(place + 1), Interest::READABLE | Interest::WRITABLE)
}

fn write_some(socket: &mut TcpStream, bytes: &[u8]) -> io::Result<usize> {
    let mut n_sent = 0;
    while n_sent < bytes.len() {
        match socket.write(&bytes[n_sent..]) {
            Ok(n) => n_sent += n,
            Err(err) if err.kind() == io::ErrorKind::WouldBlock => break,
            Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
            Err(err) => return Err(err),
        }
    }
    Ok(n_sent)
}

impl<'a> Request<'a> {
    /// The first request in `received`, once it is there in full.
    fn parse(received: &'a [u8]) -> io::Result<Option<Self>> {
        if received.len() > MAX_REQUEST_BYTES {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut headers = [httparse::EMPTY_HEADER; 16];
        let mut request = httparse::Request::new(&mut headers);
        let parsed = request.parse(received).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
        let httparse::Status::Complete(head_bytes) = parsed else { return Ok(None) };
        if request.method != Some("POST") {
            return Ok(Some(Self { bytes: head_bytes, body: None }));
        }
        let length = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
        let length: usize = length
            .and_then(|header| std::str::from_utf8(header.value).ok()?.parse().ok())
            .filter(|length| *length <= MAX_REQUEST_BYTES)
            .ok_or(io::ErrorKind::InvalidData)?;
        let bytes = head_bytes + length;
        Ok(received.get(head_bytes..bytes).map(|body| Self { bytes, body: Some(body) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_counts_once_it_is_there_in_full() {
        let post = b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc";
        for cut in 0..post.len() {
            assert!(Request::parse(&post[..cut]).unwrap().is_none(), "{cut}");
        }
        assert_eq!(Request::parse(post).unwrap(), Some(Request { bytes: post.len(), body: Some(b"abc") }));
        let get = b"GET /events HTTP/1.1\r\n\r\nmore";
        assert_eq!(Request::parse(get).unwrap(), Some(Request { bytes: get.len() - 4, body: None }));
    }

    #[test]
    fn what_is_no_request_ends_the_connection() {
        for bytes in [&b"\0\0\0\0"[..], b"POST / HTTP/1.1\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"] {
            assert!(Request::parse(bytes).is_err(), "{bytes:?}");
        }
    }
}
