//! The binary with identities: what it asks, what it says, and what it never writes down.

#![cfg(feature = "cli")]
// To clippy, a helper of tests is no test.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const SECRET: &str = "the secret of this test, 32 characters and more";

fn heartwire(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_heartwire"));
    command.args(arguments).env_clear().stdin(Stdio::null());
    command
}

struct Server {
    process: Child,
    /// A file: whoever writes all that it can into a pipe waits for somebody to read it.
    log: tempfile::NamedTempFile,
    /// `http://127.0.0.1:<port>/`
    url: String,
}

impl Server {
    /// One that knows tokens of [`SECRET`], and writes down all that it can.
    fn start(arguments: &[&str]) -> Self {
        Self::start_on("127.0.0.1:0", arguments)
    }

    fn start_on(address: &str, arguments: &[&str]) -> Self {
        let log = tempfile::NamedTempFile::new().unwrap();
        let mut process = heartwire(&[&["serve", "--listen", address, "--log-level", "trace"], arguments].concat())
            .env("HEARTWIRE_JWT_SECRET_KEY", SECRET)
            .stdout(Stdio::piped())
            .stderr(log.reopen().unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim_end().strip_prefix("heartwire is listening on ").expect(&line).to_owned();
        Self { process, log, url }
    }

    /// Sends a request and reads the answer up to some text.
    fn send(&self, request: &str, up_to: &str) -> String {
        let address = self.url.strip_prefix("http://").unwrap().trim_end_matches('/');
        let mut socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        socket.write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        let mut bytes = [0; 1_024];
        // A stream that should not be one goes on for ever.
        let asked_at = Instant::now();
        while !text.contains(up_to) {
            assert!(asked_at.elapsed() < Duration::from_secs(30), "{up_to:?} does not come: {text}");
            match socket.read(&mut bytes).unwrap() {
                0 => panic!("the end comes before {up_to:?}: {text}"),
                n => text.push_str(std::str::from_utf8(&bytes[..n]).unwrap()),
            }
        }
        text
    }

    /// Stops it, and returns its log.
    fn log(mut self) -> String {
        let status = Command::new("kill").args(["-INT", &self.process.id().to_string()]).status().unwrap();
        assert!(status.success());
        assert!(self.process.wait().unwrap().success());
        std::fs::read_to_string(self.log.path()).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Fails when it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn out(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

fn token(arguments: &[&str]) -> String {
    out(heartwire(&[&["token"], arguments].concat()).env("HEARTWIRE_JWT_SECRET_KEY", SECRET).output().unwrap())
}

#[test]
fn the_commands_say_who_they_are() {
    let server = Server::start(&[]);
    let token = token(&["--sub", "me", "--read", "a", "--publish", "a"]);
    let publish = |arguments: &[&str]| {
        let mut command = heartwire(&["publish", "--topic", "a", "--url", &server.url]);
        command.args(arguments);
        command
    };
    let refused = publish(&["one"]).output().unwrap();
    assert!(!refused.status.success());
    assert!(String::from_utf8(refused.stderr).unwrap().contains("(no-token)"));
    out(publish(&["--token", &token, "one"]).output().unwrap());
    out(publish(&["two"]).env("HEARTWIRE_TOKEN", &token).output().unwrap());

    let pipe = heartwire(&["pipe", "--topic", "a", "--url", &server.url])
        .env("HEARTWIRE_TOKEN", &token)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut pipe = pipe.unwrap();
    pipe.stdin.take().unwrap().write_all(b"three").unwrap();
    assert!(pipe.wait().unwrap().success());

    let mut tail = heartwire(&["tail", &server.url, "--topic", "a", "--from", "earliest"])
        .env("HEARTWIRE_TOKEN", &token)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    assert_eq!(lines.take(3).map(Result::unwrap).collect::<Vec<_>>(), ["one", "two", "three"]);
    tail.kill().unwrap();
    tail.wait().unwrap();

    // What no other try can better ends it.
    for (token, code) in [("", "(no-token)"), ("x", "(bad-token)"), (&*token, "(topic-forbidden)")] {
        let topic = if code == "(topic-forbidden)" { "b" } else { "a" };
        let mut tail = heartwire(&["tail", &server.url, "--topic", topic]);
        let output = if token.is_empty() { tail.output() } else { tail.env("HEARTWIRE_TOKEN", token).output() };
        let stderr = String::from_utf8(output.unwrap().stderr).unwrap();
        assert!(stderr.lines().last().unwrap().ends_with(code), "{stderr}");
    }
}

#[test]
fn a_key_is_shown_once_and_its_lines_let_its_program_in() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hub.toml");
    let output = heartwire(&["key", "--name", "billing", "--publish", "orders/*", "--admin"]).output().unwrap();
    let (lines, key) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    let key = key.trim_end();
    assert!(key.starts_with("hwk_") && !lines.contains(key), "{lines}");
    std::fs::write(&path, lines).unwrap();
    // With a way to know somebody it may also listen on other addresses.
    let server = Server::start_on("0.0.0.0:0", &["--config", path.to_str().unwrap()]);
    let port = server.url.trim_end_matches('/').rsplit(':').next().unwrap();
    let local = format!("http://127.0.0.1:{port}/");
    let publish =
        heartwire(&["publish", "--topic", "orders/7", "--url", &local, "paid"]).env("HEARTWIRE_TOKEN", key).output();
    out(publish.unwrap());
    let shown = heartwire(&["config", "--config", path.to_str().unwrap()]).output().unwrap();
    assert!(out(shown).contains("name = \"billing\""));
}

#[test]
fn keys_can_be_added_to_a_configuration_that_was_printed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hub.toml");
    let file = path.to_str().unwrap();
    std::fs::write(&path, "[[topic_rules]]\npattern = 'a'\nslow_readers = 'skip'\n").unwrap();
    for name in ["billing", "jobs"] {
        let key = heartwire(&["key", "--name", name, "--publish", "a"]).output().unwrap();
        let shown = out(heartwire(&["config", "--config", file]).output().unwrap());
        std::fs::write(&path, format!("{shown}\n{}\n", out(key))).unwrap();
    }
    let shown = out(heartwire(&["config", "--config", file]).output().unwrap());
    for (line, n_times) in [("[[api_keys]]", 2), ("[[topic_rules]]", 1), ("slow_readers = \"skip\"", 1)] {
        assert_eq!(shown.lines().filter(|shown| *shown == line).count(), n_times, "{line} in {shown}");
    }
}

#[test]
fn the_switch_is_an_admins_also_beyond_this_machine() {
    let server = Server::start_on("0.0.0.0:0", &[]);
    let port = server.url.trim_end_matches('/').rsplit(':').next().unwrap().to_owned();
    let throw = |token: &str| {
        let mut socket = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
        let request = format!(
            "PUT /events/switch HTTP/1.1\r\nHost: hub.example\r\nAuthorization: Bearer {token}\r\n\
             Content-Length: 17\r\nConnection: close\r\n\r\n{{\"enabled\":false}}"
        );
        socket.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        answer
    };
    let answer = throw(&token(&["--read", "*", "--publish", "*"]));
    assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("\"code\":\"admin-only\""), "{answer}");
    assert!(throw("x").starts_with("HTTP/1.1 401"));
    assert!(throw(&token(&["--admin"])).starts_with("HTTP/1.1 200"));
}

#[test]
fn nothing_that_lets_anybody_in_is_ever_written_down() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hub.toml");
    let output = heartwire(&["key", "--name", "worker", "--read", "a"]).output().unwrap();
    let key = String::from_utf8(output.stderr).unwrap().trim_end().to_owned();
    std::fs::write(&path, output.stdout).unwrap();
    let server = Server::start(&["--config", path.to_str().unwrap(), "--lockout-failures", "4"]);
    let good = token(&["--read", "a"]);
    let (head, _) = good.rsplit_once('.').unwrap();
    let forged = format!("{head}.{}", "A".repeat(43));
    let get = |path: &str, header: &str, up_to: &str| {
        server.send(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{header}\r\n\r\n"), up_to)
    };
    let bearer = |token: &str| format!("Authorization: Bearer {token}");
    get("/events?topic=a", &bearer(&good), "event: connected");
    get("/events?topic=a", &bearer(&key), "event: connected");
    get("/events?topic=a", &format!("Cookie: access_token={good}"), "event: connected");
    get("/events?topic=b", &bearer(&good), "topic-forbidden");
    let post = format!("POST /events/ticket HTTP/1.1\r\nHost: localhost\r\n{}\r\n\r\n", bearer(&good));
    let answer = server.send(&post, "\"expires_in\":30.0}");
    let ticket = answer.split("\"ticket\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let with_ticket = format!("/events?topic=a&ticket={ticket}");
    get(&with_ticket, "Accept: */*", "event: connected");
    get(&with_ticket, "Accept: */*", "bad-ticket");
    for _ in 0..4 {
        get("/events?topic=a", &bearer(&forged), "bad-token");
    }
    get("/events?topic=a", &bearer(&good), "locked-out");
    let log = server.log();
    assert!(log.contains("locked out") && log.contains("TRACE"), "it does write: {log:.2000}");
    let signature = good.rsplit_once('.').unwrap().1;
    for secret in [SECRET, head, signature, &key, &key[4..], &ticket] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}

#[test]
fn a_secret_is_neither_a_flag_nor_shown() {
    let config = |variables: &[(&str, &str)]| {
        let mut command = heartwire(&["config"]);
        command.envs(variables.iter().copied());
        command.output().unwrap()
    };
    for variable in ["HEARTWIRE_JWT_SECRET_KEY", "JWT_SECRET_KEY", "AUTH_SECRET_KEY"] {
        let shown = out(config(&[(variable, SECRET)]));
        assert!(!shown.contains(SECRET));
        assert!(shown.contains(&format!("# jwt_secret_key is not shown  # the environment variable {variable}")));
        let refused = config(&[(variable, "hunter2")]);
        let stderr = String::from_utf8(refused.stderr).unwrap();
        let expected =
            format!("jwt_secret_key must have at least 32 characters (from the environment variable {variable})");
        assert!(!refused.status.success() && stderr.contains(&expected) && !stderr.contains("hunter2"), "{stderr}");
    }
    // Ours comes first, and then the one that others look at first.
    let both = [("AUTH_SECRET_KEY", SECRET), ("JWT_SECRET_KEY", SECRET), ("HEARTWIRE_JWT_SECRET_KEY", SECRET)];
    assert!(out(config(&both)).contains("variable HEARTWIRE_JWT_SECRET_KEY"));
    assert!(out(config(&both[..2])).contains("variable JWT_SECRET_KEY"));
    let flag = heartwire(&["serve", "--jwt-secret-key", SECRET]).output().unwrap();
    assert!(!flag.status.success());
    let without = heartwire(&["token", "--read", "a"]).output().unwrap();
    assert!(String::from_utf8(without.stderr).unwrap().contains("HEARTWIRE_JWT_SECRET_KEY"));
    let required = heartwire(&["serve", "--require-auth", "true"]).output().unwrap();
    assert!(
        String::from_utf8(required.stderr).unwrap().contains("require_auth cannot be true while nobody can be known")
    );
}
