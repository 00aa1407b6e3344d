//! The binary as a process of its own.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Process {
    /// Starts `heartwire serve` and waits until it is ready. `None`: it ended instead.
    pub(crate) fn try_start(listen: &str, arguments: &[&str]) -> Option<Self> {
        let mut child = Command::new(env!("CARGO_BIN_EXE_heartwire"))
            .args(["serve", "--listen", listen])
            .args(arguments)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let Some((_, address)) = line.trim_end().split_once("http://") else {
            child.wait().unwrap();
            return None;
        };
        let address = address.trim_end_matches('/').parse().unwrap();
        Some(Self { child, address })
    }

    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::try_start("127.0.0.1:0", arguments).expect("a free port can be had")
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.id().to_string()]).status().unwrap().success());
    }

    /// Waits for its end, which must be a good one; when it came.
    pub(crate) async fn ended(&mut self) -> Instant {
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                assert!(status.success(), "{status}");
                return Instant::now();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// What Linux says about its memory, in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    pub(crate) fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.id())).unwrap().count()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Publishes one event, on a connection of its own.
pub(crate) async fn publish(address: SocketAddr, topic: &str, data: &str) {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let head = format!("POST /events?topic={topic} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
    let request = format!("{head}Content-Length: {}\r\n\r\n{data}", data.len());
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}
