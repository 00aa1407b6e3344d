//! The binary, as a process on real sockets, by the real clock.

#![cfg(feature = "cli")]
// To clippy, a helper of tests is no test.
#![allow(clippy::unwrap_used)]

mod common;

use common::binary::{Server, heartwire, read_until, run};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;
use std::time::{Duration, Instant};

#[test]
fn with_no_stream_open_it_stops_at_once() {
    let server = Server::start(&["--drain-window", "60"]);
    let asked_at = Instant::now();
    server.signal("-TERM");
    server.ends_well();
    assert!(asked_at.elapsed() < Duration::from_secs(2), "{:?}", asked_at.elapsed());
}

#[test]
fn open_streams_are_told_and_then_it_stops() {
    let server = Server::start(&[]);
    let mut streams = [server.open_stream(), server.open_stream()];
    let asked_at = Instant::now();
    server.signal("-INT");
    for stream in &mut streams {
        read_until(stream, "event: closing");
        read_until(stream, "\"reason\":\"draining\"");
    }
    server.ends_well();
    assert!(asked_at.elapsed() < Duration::from_secs(4), "{:?}", asked_at.elapsed());
}

#[test]
fn the_second_signal_ends_it_whatever_is_still_open() {
    let server = Server::start(&["--drain-window", "60"]);
    // A request whose body never comes holds the drain up.
    let mut stuck = server
        .send("POST /events?topic=a HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n");
    read_until(&mut stuck, "100 Continue");
    let mut stream = server.open_stream();
    let asked_at = Instant::now();
    server.signal("-TERM");
    read_until(&mut stream, "event: closing");
    server.signal("-TERM");
    server.ends_well();
    assert!(asked_at.elapsed() < Duration::from_secs(10), "{:?}", asked_at.elapsed());
}

#[test]
fn a_client_that_never_finishes_its_head_is_cut() {
    let server = Server::start(&[]);
    let asked_at = Instant::now();
    let mut slow = server.send("GET /events?topic=a HTTP/1.1\r\nHost: loc");
    let mut rest = String::new();
    slow.read_to_string(&mut rest).unwrap();
    assert!((8..20).contains(&asked_at.elapsed().as_secs()), "{:?}", asked_at.elapsed());
}

#[test]
fn a_refusal_reaches_a_client_that_writes_all_of_its_request_before_it_reads() {
    let server = Server::start(&[]);
    let body = vec![b'x'; 4 * 1024 * 1024];
    // It was a matter of luck before.
    for _ in 0..20 {
        let mut client = server.send(&format!(
            "POST /events?topic=a HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n",
            body.len()
        ));
        client.get_mut().write_all(&body).unwrap();
        read_until(&mut client, "HTTP/1.1 413");
        read_until(&mut client, "body-too-large");
    }
}

#[test]
fn pages_of_other_origins_are_kept_out() {
    let server = Server::start(&[]);
    let mut answer = server.send("GET /events/health HTTP/1.1\r\nHost: evil.example\r\n\r\n");
    read_until(&mut answer, "HTTP/1.1 403");
    read_until(&mut answer, "\r\n\r\n");
    let mut answer = server.send(
        "POST /events?topic=a HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\nContent-Length: 0\r\n\r\n",
    );
    read_until(&mut answer, "HTTP/1.1 403");
    let mut answer = server.send("GET /nowhere HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let mut text = String::new();
    answer.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.1 404") && text.contains("\"code\":\"not-found\""), "{text}");
}

#[test]
fn what_is_published_and_piped_is_tailed() {
    let server = Server::start(&[]);
    let published = run(&["publish", "--topic", "a", "--type", "e", "--url", &server.url, "one"]);
    let id = String::from_utf8(published.stdout).unwrap();
    assert!(published.status.success() && id.ends_with("-1\n"), "{id}");

    let mut pipe = heartwire(&["pipe", "--topic", "a", "--url", &server.url]).stdin(Stdio::piped()).spawn().unwrap();
    pipe.stdin.take().unwrap().write_all(b"two\nthr\xffee\n\nlast").unwrap();
    assert!(pipe.wait().unwrap().success());

    let mut tail = heartwire(&["tail", &server.url, "--topic", "a", "--from", "earliest", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    let mut next = || -> serde_json::Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    assert_eq!(next(), serde_json::json!({"id": id.trim_end(), "type": "e", "data": "one"}));
    for expected in ["two", "thr\u{fffd}ee", "", "last"] {
        assert_eq!(next()["data"], expected);
    }
    tail.kill().unwrap();
    tail.wait().unwrap();
}

#[test]
fn a_batch_that_is_too_large_is_piped_in_parts_without_the_line_that_is_too_large() {
    let server = Server::start(&["--max-body-bytes", "60"]);
    let long = "x".repeat(60);
    let input = format!("one\ntwo\n{long}\nthree\nfour\nfive\nsix\n");
    let mut pipe = heartwire(&["pipe", "--topic", "a", "--url", &server.url]);
    let mut pipe = pipe.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    pipe.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = pipe.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && stderr.lines().count() == 1, "{stderr}");
    assert!(stderr.contains("line 3 is not published") && stderr.contains("(body-too-large)"), "{stderr}");
    let mut answer =
        server.send("GET /events/poll?topic=a&from=earliest HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let mut text = String::new();
    answer.read_to_string(&mut text).unwrap();
    let data: Vec<_> = text.split("\"data\":\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(data, ["one", "two", "three", "four", "five", "six"], "{text}");
}

#[test]
fn a_tail_whose_request_can_never_succeed_ends_with_the_reason() {
    let server = Server::start(&[]);
    let output = run(&["tail", &format!("{}?colour=red", server.url), "--topic", "a"]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.lines().last().unwrap().ends_with("(unknown-parameter)"), "{stderr}");
}

#[test]
fn a_wrong_start_is_refused_in_one_sentence() {
    let check = |arguments: &[&str], expected: &str| {
        let output = run(arguments);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && stderr.contains(expected), "{arguments:?}: {stderr}");
        assert!(output.stdout.is_empty());
    };
    check(&["serve", "--listen", "0.0.0.0:0"], "require_auth must be set to false by name");
    check(&["serve", "--heartbeat-interval", "0"], "heartbeat_interval must be more than zero");
    check(&["serve", "--heartbeat-interval", "0"], "(from the flag --heartbeat-interval)");
    check(&["serve", "--preset", "production"], "require_auth must be set to false by name");
    check(&["serve", "--www", "/no/such/folder"], "www must be a folder");
    check(&["tail", "http://127.0.0.1:1/", "--topic", "a", "--base-reconnect-delay", "1e18"], "at most a year");
    check(&["tail", "ftp://127.0.0.1/", "--topic", "a"], "only http and https URLs are known");
    check(&["tail", "https://127.0.0.1/", "--topic", "a", "--ca", "/no/such.pem"], "/no/such.pem cannot be read");
    check(&["publish", "--topic", "$a", "x"], "keeps for itself");
    check(&["key", "--name", "", "--publish", "a"], "a value is required for '--name <NAME>'");
    check(&["publish", "--topic", "a", "--url", "http://127.0.0.1:1/", "x"], "cannot be reached");
    let mut misspelt = heartwire(&["serve"]);
    let output = misspelt.env("HEARTWIRE_EVENT_TLL", "5").output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("is it HEARTWIRE_EVENT_TTL?"), "{stderr}");
}

/// A file of this test's own.
fn file(name: &str, content: impl AsRef<[u8]>) -> String {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn the_configuration_in_force_is_shown_with_where_it_came_from() {
    let path = file("shown.toml", "# ours\npreset = 'low-memory'\nheartbeat_interval = 5\nmax_connections = 9\n");
    let mut command = heartwire(&["config", "--config", &path, "--max-connections", "off"]);
    command.env("HEARTWIRE_MAX_CONNECTIONS", "7").env("HEARTWIRE_EVENT_TTL", "0.5");
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<&str> = text.lines().collect();
    for expected in [
        "listen = \"127.0.0.1:8080\"  # the default",
        &format!("preset = \"low-memory\"  # line 2 of {path}"),
        &format!("heartbeat_interval = 5  # line 3 of {path}"),
        "max_connections = \"off\"  # the flag --max-connections",
        "event_ttl = 0.5  # the environment variable HEARTWIRE_EVENT_TTL",
        "topic_ttl = 300  # the preset low-memory",
    ] {
        assert!(lines.contains(&expected), "{expected} in {text}");
    }

    let values = |text: &str| -> Vec<String> {
        let settings = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        settings.map(|line| line.split("  # ").next().unwrap().to_owned()).collect()
    };
    let again = file("again.toml", &text);
    let output = heartwire(&["config"]).env("HEARTWIRE_CONFIG", &again).output().unwrap();
    assert_eq!(values(&String::from_utf8(output.stdout).unwrap()), values(&text));
    let server = Server::start(&["--config", &again]);
    let mut health = server.send("GET /events/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let mut answer = String::new();
    health.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("\"max_connections\":null,\"heartbeat_interval\":5.0"), "{answer}");
}

#[test]
fn a_wrong_file_is_refused_in_one_sentence_that_names_it() {
    let check = |path: &str, expected: &str| {
        for command in ["config", "serve"] {
            let output = run(&[command, "--config", path]);
            let stderr = String::from_utf8(output.stderr).unwrap();
            assert!(!output.status.success() && output.stdout.is_empty());
            assert!(stderr.contains(path) && stderr.contains(expected), "{stderr}");
            assert_eq!(stderr.lines().count(), 1, "{stderr}");
        }
    };
    let check_text = |text: &str, expected: &str| check(&file("wrong.toml", text), expected);
    check_text("\nheartbeat_intervall = 5", "heartbeat_intervall in line 2 of");
    check_text("\nheartbeat_intervall = 5", "is not a setting; is it heartbeat_interval?");
    check_text("heartbeat_interval = 'soon'", "heartbeat_interval must be a number of seconds, such as 15 or 0.5;");
    check_text("heartbeat_interval = true", "heartbeat_interval must be a number of seconds");
    check_text("max_body_bytes = 0", "max_body_bytes must be more than zero (from line 1 of");
    check_text("listen = '0.0.0.0:8080'", "require_auth must be set to false by name");
    check_text("preset = 'edge'", "preset must be development, production, high-traffic, low-memory or auto");
    check_text("event_ttl = 1\nevent_ttl = 2", "line 2 of");
    check_text("event_ttl = 1\nevent_ttl = 2", "is not TOML: duplicate key");
    check_text("event_ttl 5", "is not TOML: key with no value");
    check_text("[history]\nevent_ttl = 5", "history in line 1 of");
    check(&file("wrong.toml", b"www = '\xff'"), "is not UTF-8 text");
    check("/no/such/file.toml", "cannot be read: No such file or directory");
    check(env!("CARGO_TARGET_TMPDIR"), "cannot be read: Is a directory");
    // For root, a file that nobody may read is no obstacle; one that fails to be read is.
    #[cfg(target_os = "linux")]
    check("/proc/self/mem", "cannot be read: Input/output error");
}

/// The lines that a server logs as JSON while something is done with it.
fn log_of(arguments: &[&str], act: impl FnOnce(&Server)) -> Vec<serde_json::Value> {
    let log = tempfile::NamedTempFile::new().unwrap();
    let process = heartwire(&[&["serve", "--listen", "127.0.0.1:0", "--log-format", "json"], arguments].concat())
        .stdout(Stdio::piped())
        .stderr(log.reopen().unwrap())
        .spawn()
        .unwrap();
    let server = Server::of(process);
    act(&server);
    server.signal("-TERM");
    server.ends_well();
    let text = std::fs::read_to_string(log.path()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|err| panic!("{err}: {line}"))).collect()
}

#[test]
fn the_log_tells_of_requests_by_their_ids_and_never_of_what_is_in_them() {
    const SECRETS: [&str; 5] = ["t0ken", "t1cket", "payl0ad", "c00kie", "b0dy-type"];
    let mut answers = Vec::new();
    let lines = log_of(&["--log-level", "trace"], |server| {
        let mut ask = |request: &str| {
            let mut answer = String::new();
            server.send(request).read_to_string(&mut answer).unwrap();
            answers.push(answer);
        };
        let close = "Host: localhost\r\nConnection: close\r\n";
        ask(&format!("GET /events?ticket=t1cket HTTP/1.1\r\n{close}X-Request-Id: mine-7\r\n\r\n"));
        ask(&format!("GET /health/live?token=t0ken HTTP/1.1\r\n{close}X-Request-Id: not \"sane\"\r\n\r\n"));
        ask(&format!(
            "POST /events?topic=a&type=b0dy-type HTTP/1.1\r\n{close}Authorization: Bearer t0ken\r\n\
             Cookie: access_token=c00kie\r\nContent-Length: 7\r\n\r\npayl0ad"
        ));
        ask(&format!("PUT /events/switch HTTP/1.1\r\n{close}Content-Length: 7\r\n\r\npayl0ad"));
        server.open_stream();
    });
    let of = |id: &str| {
        let is_answer = |line: &&serde_json::Value| line["message"] == "answered" && line["request_id"] == id;
        let mut lines = lines.iter().filter(is_answer);
        let line = lines.next().unwrap_or_else(|| panic!("no line for {id}"));
        assert!(lines.next().is_none(), "{id} is told of once");
        line.clone()
    };
    let id_of = |answer: &str| {
        let line = answer.lines().find_map(|line| line.strip_prefix("x-request-id: ")).expect(answer);
        line.trim_end().to_owned()
    };
    let ids: Vec<String> = answers.iter().map(|answer| id_of(answer)).collect();
    assert_eq!(ids[0], "mine-7");
    assert!(!ids[1].contains("sane") && ids[1].len() == 36, "{ids:?}");

    let refused = of("mine-7");
    assert_eq!((&refused["severity"], &refused["code"]), (&"INFO".into(), &"no-topic".into()));
    assert_eq!(refused["client"], "127.0.0.1");
    assert_eq!(
        (&refused["method"], &refused["path"], &refused["status"]),
        (&"GET".into(), &"/events".into(), &400.into())
    );
    assert_eq!(of(&ids[1])["severity"], "DEBUG");
    assert_eq!(of(&ids[2])["path"], "/events");
    assert_eq!(of(&ids[3])["code"], "bad-switch");
    for line in &lines {
        let text = line.to_string();
        let severity = line["severity"].as_str().unwrap();
        assert!(["DEBUG", "INFO", "WARNING", "ERROR"].contains(&severity), "{text}");
        assert!(line["time"].is_string() && line["message"].is_string(), "{text}");
        for secret in SECRETS {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}

#[test]
fn only_a_trusted_proxy_says_who_its_client_is() {
    let ask = |server: &Server, forwarded_for: &str| {
        let head =
            "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n".replace("/health", "/events/health");
        let mut answer = server.send(&format!("{head}X-Forwarded-For: {forwarded_for}\r\n\r\n"));
        let mut status = String::new();
        answer.read_line(&mut status).unwrap();
        status.split(' ').nth(1).unwrap().to_owned()
    };
    let limit = ["--rate-limit-calls", "2", "--rate-limit-period", "3600"];
    let alone = Server::start(&limit);
    assert_eq!(["192.0.2.1", "192.0.2.2", "192.0.2.3"].map(|client| ask(&alone, client)), ["200", "200", "429"]);
    let behind_a_proxy = Server::start(&[&limit[..], &["--trusted-proxies", "127.0.0.0/8,::1"]].concat());
    let clients = ["192.0.2.1", "192.0.2.2", "192.0.2.1", "192.0.2.3, 192.0.2.1", "192.0.2.2, 127.0.0.9"];
    assert_eq!(clients.map(|client| ask(&behind_a_proxy, client)), ["200", "200", "200", "429", "200"]);
    let mut probe = behind_a_proxy.send(
        "GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n",
    );
    read_until(&mut probe, "alive");
}

#[test]
fn a_hangup_puts_in_force_what_the_file_says_about_the_switch_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hub.toml");
    std::fs::write(&path, "rollout_percent = 100\n").unwrap();
    let log = folder.path().join("log");
    let mut server = Server::start_logging(&["--config", path.to_str().unwrap()], std::fs::File::create(&log).unwrap());
    let log_has = |needle: &str| {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !std::fs::read_to_string(&log).unwrap().contains(needle) {
            assert!(Instant::now() < deadline, "{needle} is never logged: {}", std::fs::read_to_string(&log).unwrap());
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    let mut stream = server.open_stream();

    std::fs::write(&path, "enable_sse = false\nmax_queue_size = 7\n").unwrap();
    server.signal("-HUP");
    read_until(&mut stream, "\"reason\":\"disabled\"");
    log_has("max_queue_size");

    std::fs::write(&path, "enable_sse = maybe\n").unwrap();
    server.signal("-HUP");
    log_has("stays as it is");
    let refused = server.send("GET /events?topic=a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    read_until(&mut { refused }, "sse-disabled");

    std::fs::write(&path, "rollout_percent = 0\n").unwrap();
    server.signal("-HUP");
    log_has("rollout_percent=0");
    let refused = server.send("GET /events?topic=a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    read_until(&mut { refused }, "sse-disabled");

    std::fs::write(&path, "").unwrap();
    server.signal("-HUP");
    log_has("rollout_percent=100");
    server.open_stream();
    assert!(server.process.try_wait().unwrap().is_none(), "it runs on");
}
