//! All who publish to one server: a few connections, and the requests for which none is free.

use std::collections::VecDeque;
use std::net::SocketAddr;

use anyhow::Result;
use mio::event::Event;
use mio::{Registry, Token};

use crate::publisher::Publisher;

/// A pool of connections that publish. With one connection, events are published in order.
pub(crate) struct Publishers {
    publishers: Vec<Publisher>,
    /// The last one used is the first one used again: servers close connections that rest for long.
    idle: Vec<usize>,
    waiting: VecDeque<Vec<u8>>,
    address: SocketAddr,
    path: &'static str,
    /// Tokens from this one on are ours.
    first_token: usize,
}

impl Publishers {
    pub(crate) fn new(n_connections: usize, address: SocketAddr, path: &'static str, first_token: usize) -> Self {
        Self {
            publishers: (0..n_connections).map(|_| Publisher::new()).collect(),
            idle: (0..n_connections).rev().collect(),
            waiting: VecDeque::new(),
            address,
            path,
            first_token,
        }
    }

    /// Publishes an event as soon as a connection is free.
    pub(crate) fn publish(&mut self, body: &str, registry: &Registry) -> Result<()> {
        let (path, address, length) = (self.path, self.address, body.len());
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n"
        );
        self.waiting.push_back((head + body).into_bytes());
        self.send_waiting(registry)
    }

    /// Looks after the socket that `event` tells of. `None` when it is none of ours, otherwise whether a
    /// request was answered.
    pub(crate) fn moved(&mut self, event: &Event) -> Result<Option<bool>> {
        let Some(index) = event.token().0.checked_sub(self.first_token) else { return Ok(None) };
        let publisher = &mut self.publishers[index];
        if event.is_writable() {
            publisher.writable()?;
        }
        let is_answered = event.is_readable() && publisher.readable()?;
        if is_answered {
            self.idle.push(index);
        }
        Ok(Some(is_answered))
    }

    /// Sends what has waited for a free connection.
    pub(crate) fn send_waiting(&mut self, registry: &Registry) -> Result<()> {
        while !self.waiting.is_empty() {
            let Some(index) = self.idle.pop() else { return Ok(()) };
            if let Some(request) = self.waiting.pop_front() {
                let token = Token(self.first_token + index);
                self.publishers[index].send(request, self.address, registry, token)?;
            }
        }
        Ok(())
    }

    /// Gives up on the requests that have not gone out.
    pub(crate) fn forget_waiting(&mut self) {
        self.waiting.clear();
    }
}
