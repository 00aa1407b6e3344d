//! The binary, as a process on real sockets, by the real clock.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::Duration;

/// A running `heartwire serve` on a free port. It dies with this value.
pub(crate) struct Server {
    pub(crate) process: Child,
    stdout: BufReader<ChildStdout>,
    /// `http://127.0.0.1:<port>/`, or with https.
    pub(crate) url: String,
}

/// The binary, in an empty environment.
pub(crate) fn heartwire(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_heartwire"));
    command.args(arguments).env_clear().stdin(Stdio::null());
    command
}

pub(crate) fn run(arguments: &[&str]) -> Output {
    heartwire(arguments).output().unwrap()
}

impl Server {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_logging(arguments, Stdio::null())
    }

    pub(crate) fn start_logging(arguments: &[&str], log: impl Into<Stdio>) -> Self {
        let process = heartwire(&[&["serve", "--listen", "127.0.0.1:0"], arguments].concat())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        Self::of(process)
    }

    /// A process that was started with its standard output to be read here.
    pub(crate) fn of(mut process: Child) -> Self {
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let url = line.trim_end().strip_prefix("heartwire is listening on ").expect(&line).to_owned();
        Self { process, stdout, url }
    }

    /// `127.0.0.1:<port>`
    pub(crate) fn address(&self) -> &str {
        self.url.split_once("://").unwrap().1.trim_end_matches('/')
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let socket = TcpStream::connect(self.address()).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        socket
    }

    pub(crate) fn send(&self, request: &str) -> BufReader<TcpStream> {
        let mut socket = self.connect();
        socket.write_all(request.as_bytes()).unwrap();
        BufReader::new(socket)
    }

    /// What is answered to a request, to the end of the connection.
    pub(crate) fn ask(&self, request: &str) -> String {
        let mut answer = Vec::new();
        self.send(request).read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    pub(crate) fn open_stream(&self) -> BufReader<TcpStream> {
        let mut stream = self.send("GET /events?topic=a HTTP/1.1\r\nHost: localhost\r\n\r\n");
        read_until(&mut stream, "event: connected");
        stream
    }

    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args([name, &self.process.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Waits for the end, and checks that nothing but the ready line was printed.
    pub(crate) fn ends_well(mut self) {
        assert!(self.process.wait().unwrap().success());
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Fails when it has ended already, as most have.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) fn read_until(reader: &mut impl BufRead, needle: &str) -> String {
    let mut text = String::new();
    while !text.contains(needle) {
        assert_ne!(reader.read_line(&mut text).unwrap(), 0, "the end comes before {needle:?}: {text}");
    }
    text
}
