//! Peers that vanish without a word, and the option that finds them.
//!
//! `TCP_USER_TIMEOUT` ends a connection on which sent bytes go unacknowledged for too long. Linux also counts
//! how long the window of a peer is closed, though, from the first probe on, and starts anew only when the
//! window opens far enough for the whole segment that waits (`tcp_probe_timer` and `tcp_ack_probe`). A peer that
//! reads slowly, but reads, would be cut off in the middle. So the option is in force only while the socket
//! takes what is written; while it does not, and for a while after, its owner has a deadline of its own, which
//! any progress puts off.

#[cfg(target_os = "linux")]
use std::time::Duration;

/// How long sent bytes may go unacknowledged.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED_TIMEOUT: Duration = Duration::from_secs(30);

/// Has the kernel look out for a peer that vanished, or leave that to the caller.
#[cfg(target_os = "linux")]
pub(super) fn look_out(socket: &impl std::os::fd::AsFd, is_on: bool) {
    let timeout = is_on.then_some(UNACKNOWLEDGED_TIMEOUT);
    if let Err(err) = socket2::SockRef::from(socket).set_tcp_user_timeout(timeout) {
        tracing::debug!(%err, "a socket option was refused");
    }
}

/// Elsewhere the system has its own, longer limits.
#[cfg(not(target_os = "linux"))]
pub(super) fn look_out<S>(_socket: &S, _is_on: bool) {}
