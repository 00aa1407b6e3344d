//! The socket to listen on.

use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// How many connections may wait to be accepted. With the usual 1,024 a fleet that comes back at
/// once runs into dropped packets and waits for their retransmission.
const BACKLOG: i32 = 4_096;

/// Listens on an address, with a backlog fit for a fleet of clients that comes back at once.
///
/// # Errors
/// The address cannot be had.
///
/// # Panics
/// Outside a tokio runtime.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A server that starts again must not wait for the old one's last packets. On Windows the same
    // option means something else: it would let two servers share an address.
    #[cfg(not(windows))]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}
