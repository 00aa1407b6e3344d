//! One peer at work: a process that we started, with all that it starts. It ends with its guard.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::proc_fs::{self, Usage};
use crate::stop::Stop;

/// Python with all its imports needs a second or two.
const START_LIMIT: Duration = Duration::from_secs(20);
/// From SIGTERM to SIGKILL.
const END_LIMIT: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(10);

/// A running server.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts `command` and waits until it listens on `address`. What it prints goes to `log`.
    pub(crate) fn start(command: &mut Command, address: SocketAddr, log: &Path, stop: &Stop) -> Result<Self> {
        let writer = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        // In a process group of its own, so that Ctrl-C on the terminal reaches us alone: we end it.
        let child = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(writer.try_clone()?)
            .stderr(writer)
            .spawn()
            .with_context(|| format!("cannot run {}", command.get_program().display()))?;
        let mut server = Self { child, address };
        let started = Instant::now();
        while TcpStream::connect(address).is_err() {
            stop.check()?;
            if let Some(status) = server.child.try_wait()? {
                bail!("the server ended at once ({status}): see {}", log.display());
            }
            if started.elapsed() > START_LIMIT {
                bail!("the server does not listen: see {}", log.display());
            }
            thread::sleep(LOOK);
        }
        Ok(server)
    }

    /// What the server has used so far, and holds now.
    pub(crate) fn usage(&self) -> Result<Usage> {
        Usage::of_tree(self.child.id())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The children are noted before their parent is gone and they cannot be told from strangers.
        let children = proc_fs::descendants(self.child.id()).unwrap_or_default();
        if !self.has_ended() {
            send(self.child.id(), Signal::TERM);
        }
        let asked = Instant::now();
        while !self.has_ended() && asked.elapsed() < END_LIMIT {
            thread::sleep(LOOK);
        }
        if !self.has_ended() {
            for pid in children {
                send(pid, Signal::KILL);
            }
            // It may have ended in this very moment, which is as good.
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// A port on this machine where nothing listens.
pub(crate) fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot find a free port")?;
    Ok(listener.local_addr()?)
}

fn send(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // A process that has just ended needs no signal.
        let _ = kill_process(pid, signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_cannot_start_is_an_error_that_names_its_output() {
        let log = std::env::temp_dir().join(format!("heartwire-bench-test-{}.log", std::process::id()));
        let address = free_address().expect("some port is free");
        let refused = Server::start(&mut Command::new("false"), address, &log, &Stop::default());
        std::fs::remove_file(&log).expect("it was made");
        assert!(refused.is_err_and(|err| err.to_string().contains(".log")));
    }
}
