//! One stream of a shard: its socket, its place in the log, its deadlines.
//!
//! It owns at most the rest of one batch. Whatever else it has not sent yet stays in the log.

use super::calendar::Tick;
use crate::metrics::OpenStream;
use crate::serve::vanished::look_out;
use crate::stream::{Packing, StreamPlace};
use crate::stream_permits::StreamPermit;
use crate::subscription::Ended;
use axum::body::Body;
use bytes::{Buf, Bytes};
use mio::net::TcpStream;
use std::io::{self, ErrorKind, Read, Write};

/// How much a client may say behind its request before it is taken for no client of ours.
const MAX_STRAY_BYTES: u32 = 1024 * 1024;

pub(super) struct Line {
    // Given back before the socket closes: whoever sees the end can come again. Boxed, since nobody looks at
    // it while the line is written.
    _held: Box<(StreamPermit, Body)>,
    pub(super) counted: OpenStream,
    pub(super) socket: TcpStream,
    pub(super) group: u32,
    pub(super) seat: u32,
    pub(super) packing: Packing,
    pub(super) place: StreamPlace,
    pub(super) state: State,
    pub(super) switched_off_total: Option<u64>,
    /// When the calendar calls it.
    pub(super) call_at: Tick,
    /// It had a full batch, and its turn for the next one comes by itself.
    pub(super) is_behind: bool,
    n_stray_bytes: u32,
    /// The rest of what was written last. The line is blocked while there is any.
    unsent: Bytes,
    stuck_at: Tick,
    /// The kernel looks out for a peer that vanished.
    is_looked_out_for: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum State {
    Open {
        heartbeat_at: Tick,
        /// When its reader is told that its token expires soon.
        warn_at: Tick,
        end_at: Tick,
        /// What has ended it then.
        ended: Ended,
    },
    /// It waits for its turn to say its last words.
    Leaving { ended: Ended, at: Tick },
    /// The last words are said, if not sent.
    Closing,
}

/// How a write went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    All,
    /// The socket takes no more for now. The poll tells when it does again.
    Blocked,
    /// The client is gone.
    Gone,
}

impl Line {
    pub(super) fn new(
        socket: TcpStream,
        (group, seat): (u32, u32),
        (packing, place): (Packing, StreamPlace),
        state: State,
        switched_off_total: Option<u64>,
        (permit, counted, body): (StreamPermit, OpenStream, Body),
    ) -> Self {
        Self {
            _held: Box::new((permit, body)),
            counted,
            socket,
            group,
            seat,
            packing,
            place,
            state,
            switched_off_total,
            call_at: Tick::NEVER,
            is_behind: false,
            n_stray_bytes: 0,
            unsent: Bytes::new(),
            stuck_at: Tick::NEVER,
            is_looked_out_for: true,
        }
    }

    pub(super) fn is_blocked(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Whether nothing came through for too long.
    pub(super) fn is_stuck(&self, now: Tick) -> bool {
        self.is_blocked() && self.stuck_at <= now
    }

    /// Whether it is time for one.
    pub(super) fn wants_heartbeat(&self, now: Tick) -> bool {
        matches!(self.state, State::Open { heartbeat_at, .. } if heartbeat_at <= now)
    }

    /// The earliest moment at which something must be done. A blocked line has but one deadline.
    pub(super) fn deadline(&self) -> Tick {
        if self.is_blocked() {
            return self.stuck_at;
        }
        match self.state {
            State::Open { heartbeat_at, warn_at, end_at, .. } => heartbeat_at.min(warn_at).min(end_at),
            State::Leaving { at, .. } => at,
            State::Closing => Tick::NEVER,
        }
    }

    /// Writes some bytes, and keeps what the socket does not take. `stuck_at`: when the reader is given up
    /// if the socket takes nothing more until then.
    pub(super) fn send(&mut self, bytes: &Bytes, stuck_at: Tick) -> Sent {
        debug_assert!(!self.is_blocked(), "one batch at a time");
        match write(&mut self.socket, bytes) {
            Ok(n) if n == bytes.len() => Sent::All,
            Ok(n) => {
                self.unsent = bytes.slice(n..);
                self.stuck_at = stuck_at;
                if stuck_at != Tick::NEVER && std::mem::take(&mut self.is_looked_out_for) {
                    // From here on `stuck_at` counts, and nothing else.
                    look_out(&self.socket, false);
                }
                Sent::Blocked
            }
            Err(err) => gone(&err),
        }
    }

    /// Goes on with what the socket did not take.
    pub(super) fn resume(&mut self, stuck_at: Tick) -> Sent {
        match write(&mut self.socket, &self.unsent) {
            // The poll can be wrong; then the line is as stuck as before.
            Ok(0) => Sent::Blocked,
            Ok(n) => {
                self.unsent.advance(n);
                self.stuck_at = stuck_at;
                if self.is_blocked() {
                    return Sent::Blocked;
                }
                // Even an empty slice keeps the whole batch alive that it was cut from.
                self.unsent = Bytes::new();
                Sent::All
            }
            Err(err) => gone(&err),
        }
    }

    /// Has the kernel look out for the peer again. For a moment at which the line has not been blocked for a
    /// while: right behind the last blocked byte the kernel would still count from the first.
    pub(super) fn look_out_again(&mut self) {
        if !self.is_blocked() && !std::mem::replace(&mut self.is_looked_out_for, true) {
            look_out(&self.socket, true);
        }
    }

    /// Throws away what the client says; a request was all that it had to say. Bytes that stayed
    /// unread would hide its end. Returns whether it is still there.
    pub(super) fn discard(&mut self) -> bool {
        let mut buffer = [0; 4 * 1024];
        while self.n_stray_bytes <= MAX_STRAY_BYTES {
            match self.socket.read(&mut buffer) {
                Ok(0) => return false,
                Ok(n) => self.n_stray_bytes += n as u32,
                Err(err) if err.kind() == ErrorKind::Interrupted => {}
                Err(err) => return err.kind() == ErrorKind::WouldBlock,
            }
        }
        tracing::debug!("a client never stops talking");
        false
    }
}

/// Writes until the socket takes no more: only then does the poll tell when it does again.
fn write(socket: &mut TcpStream, bytes: &[u8]) -> io::Result<usize> {
    let mut n_written = 0;
    while n_written < bytes.len() {
        match socket.write(&bytes[n_written..]) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(n) => n_written += n,
            Err(err) if err.kind() == ErrorKind::Interrupted => {}
            Err(err) if err.kind() == ErrorKind::WouldBlock => break,
            Err(err) => return Err(err),
        }
    }
    Ok(n_written)
}

fn gone(err: &io::Error) -> Sent {
    tracing::debug!(%err, "a client is gone");
    Sent::Gone
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::WatchConfig;
    use crate::metrics::Metrics;
    use crate::serve::lean::calendar::Calendar;
    use crate::standing::Standing;
    use crate::stream_permits::tests::permit;
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    /// A line, and the client at its other end.
    fn line() -> (Line, std::net::TcpStream) {
        line_to(&socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap())
    }

    fn line_to(client: &socket2::Socket) -> (Line, std::net::TcpStream) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        client.connect(&listener.local_addr().unwrap().into()).unwrap();
        let client = std::net::TcpStream::from(client.try_clone().unwrap());
        let (socket, _) = listener.accept().unwrap();
        socket.set_nonblocking(true).unwrap();
        let never = Tick::NEVER;
        let state = State::Open { heartbeat_at: never, warn_at: never, end_at: never, ended: Ended::Rotated };
        let metrics = Arc::new(Metrics::new(&WatchConfig::default()));
        let socket = TcpStream::from_std(socket);
        (
            Line::new(
                socket,
                (0, 0),
                (Packing::Plain, StreamPlace::new(Standing::new(0, None))),
                state,
                None,
                (permit(), OpenStream::new(metrics, Box::default(), None), Body::empty()),
            ),
            client,
        )
    }

    #[test]
    fn a_line_is_stuck_when_nothing_goes_through_for_the_whole_time() {
        let (mut line, mut client) = line();
        let begin = Calendar::new(Instant::now()).tick(Instant::now());
        let at = |seconds| begin.after(Duration::from_secs(seconds));
        let bytes = Bytes::from(vec![b'x'; 64 * 1024 * 1024]);
        assert_eq!(line.send(&bytes, at(30)), Sent::Blocked);
        assert_eq!(line.deadline(), at(30));
        assert!(!line.is_stuck(at(29)) && line.is_stuck(at(30)));

        let mut buffer = vec![0; 1024 * 1024];
        while client.read(&mut buffer).unwrap() > 0 && line.resume(at(61)) == Sent::Blocked {}
        assert!(!line.is_stuck(at(60)), "something went through");
        assert_eq!(line.deadline(), Tick::NEVER, "it takes more");
        assert!(bytes.is_unique(), "what was sent is let go of");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_reader_that_is_slow_but_reads_is_not_taken_for_one_that_vanished() {
        let little = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        little.set_recv_buffer_size(4 * 1024).unwrap();
        let (mut line, mut client) = line_to(&little);
        let options = socket2::SockRef::from(&line.socket).try_clone().unwrap();
        options.set_send_buffer_size(64 * 1024).unwrap();
        options.set_tcp_notsent_lowat(16 * 1024).unwrap();
        // Short, so that the kernel would have given the reader up several times over.
        let patience = Duration::from_millis(300);
        options.set_tcp_user_timeout(Some(patience)).unwrap();
        let later = Calendar::new(Instant::now()).tick(Instant::now()).after(Duration::from_secs(30));
        let mut sent = line.send(&Bytes::from(vec![b'x'; 1024 * 1024]), later);
        let begin = Instant::now();
        while begin.elapsed() < patience * 5 {
            assert_eq!(sent, Sent::Blocked);
            // The time between two reads is what the story is about.
            std::thread::sleep(patience / 5);
            assert!(client.read(&mut [0; 4 * 1024]).unwrap() > 0);
            sent = line.resume(later);
        }

        let mut buffer = vec![0; 1024 * 1024];
        while sent == Sent::Blocked {
            line.look_out_again();
            assert!(client.read(&mut buffer).unwrap() > 0);
            sent = line.resume(later);
        }
        assert_eq!(options.tcp_user_timeout().unwrap(), None, "what the kernel holds still moves slowly");
        line.look_out_again();
        assert!(options.tcp_user_timeout().unwrap().is_some());
    }
}
