//! What browsers meet: other origins, headers, compression and TLS, with the real binary on real sockets.

#![cfg(feature = "cli")]
// To clippy, a helper of tests is no test.
#![allow(clippy::unwrap_used)]

mod common;

use common::binary::{Server, heartwire, read_until, run};
use common::certificate::{Certificates, Valid};
use flate2::read::GzDecoder;
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

/// A request with some more headers, on a connection that ends with its answer.
fn request(method: &str, path: &str, headers: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n")
}

fn post(path: &str, headers: &str, body: &str) -> String {
    request("POST", path, &format!("{headers}Content-Length: {}\r\n", body.len())) + body
}

/// The head of a stream's answer.
fn stream_head(server: &Server, headers: &str) -> String {
    let request = format!("GET /events?topic=a HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
    read_until(&mut server.send(&request), "\r\n\r\n")
}

#[test]
fn an_allowed_origin_may_read_and_publish_and_others_are_refused() {
    let server = Server::start(&["--allow-origins", "https://app.example, http://localhost:3000"]);
    for origin in ["https://app.example", "http://localhost:3000"] {
        let answer = server.ask(&post("/events?topic=a", &format!("Origin: {origin}\r\n"), "x"));
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains(&format!("access-control-allow-origin: {origin}\r\n")), "{answer}");
        assert!(answer.contains("access-control-allow-credentials: true\r\n"), "{answer}");
    }
    for origin in ["http://app.example", "https://app.example:8443", "https://app.example.evil.example", "null"] {
        let answer = server.ask(&post("/events?topic=a", &format!("Origin: {origin}\r\n"), "x"));
        assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("foreign-origin"), "{answer}");
        let answer = server.ask(&request("GET", "/events/poll?topic=a", &format!("Origin: {origin}\r\n")));
        assert!(!answer.contains("access-control-allow-origin"), "{answer}");
    }
}

#[test]
fn a_preflight_is_answered_for_all_that_our_client_sends() {
    let server = Server::start(&["--allow-origins", "https://app.example"]);
    let asked = "authorization,content-type,last-event-id,cache-control";
    let preflight = |origin: &str| {
        let headers = format!(
            "Origin: {origin}\r\nAccess-Control-Request-Method: PUT\r\nAccess-Control-Request-Headers: {asked}\r\n"
        );
        server.ask(&request("OPTIONS", "/events/switch", &headers))
    };
    let answer = preflight("https://app.example");
    for line in [
        "HTTP/1.1 200 OK",
        "access-control-allow-origin: https://app.example",
        "access-control-allow-credentials: true",
        "access-control-allow-methods: GET,POST,PUT,DELETE,OPTIONS",
        &format!("access-control-allow-headers: {asked}"),
        "access-control-max-age: 3600",
    ] {
        assert!(answer.lines().any(|found| found == line), "{line}: {answer}");
    }
    assert!(!preflight("https://evil.example").contains("access-control-allow-origin"));
}

#[test]
fn the_development_preset_allows_the_front_ends_of_this_machine_and_no_preset_allows_none() {
    let allows = |flags: &[&str], origin: &str| {
        let server = Server::start(flags);
        let answer = server.ask(&post("/events?topic=a", &format!("Origin: {origin}\r\n"), "x"));
        answer.contains(&format!("access-control-allow-origin: {origin}\r\n"))
    };
    for origin in ["http://localhost:3000", "http://localhost:3001"] {
        assert!(allows(&["--preset", "development"], origin));
        assert!(!allows(&[], origin));
    }
    assert!(!allows(&["--preset", "development"], "http://localhost:3002"));
}

#[test]
fn a_stream_for_another_origin_goes_by_the_lean_lane_with_every_layer_around_it() {
    let server = Server::start(&["--allow-origins", "https://app.example"]);
    let head = stream_head(&server, "Origin: https://app.example\r\nAccept-Encoding: gzip\r\n");
    for line in [
        "access-control-allow-origin: https://app.example",
        "access-control-expose-headers: retry-after,x-request-id",
        "content-encoding: gzip",
        "content-type: text/event-stream",
        "cache-control: no-store",
        "x-accel-buffering: no",
        "x-content-type-options: nosniff",
        // Only the lane's own head says so.
        "connection: close",
    ] {
        assert!(head.lines().any(|found| found == line), "{line}: {head}");
    }
    let vary: Vec<_> = head.lines().filter_map(|line| line.strip_prefix("vary: ")).collect();
    let vary = vary.join(", ");
    assert!(vary.contains("accept-encoding") && vary.contains("origin"), "{head}");
}

#[test]
fn a_server_on_loopback_answers_to_the_names_that_a_proxy_passes_on() {
    let ask = |server: &Server, host: &str| {
        server.ask(&format!("GET /events/health HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
    };
    let server = Server::start(&["--allow-hosts", "hub.example,[2001:db8::1]"]);
    for host in ["hub.example", "HUB.example:443", "[2001:db8::1]:8080", "localhost"] {
        assert!(ask(&server, host).starts_with("HTTP/1.1 200"), "{host}");
    }
    let answer = ask(&server, "rebound.example");
    assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("foreign-host"), "{answer}");
}

#[test]
fn every_answer_carries_the_headers_that_keep_browsers_in_bounds() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("index.html"), "<h1>hello</h1>").unwrap();
    let www = folder.path().to_str().unwrap();
    let answers = |server: &Server| {
        let mut foreign = request("GET", "/events/health", "");
        foreign = foreign.replace("localhost", "evil.example");
        [
            stream_head(server, ""),
            stream_head(server, "Accept-Encoding: gzip\r\n"),
            server.ask(&request("GET", "/events/health", "")),
            server.ask(&request("GET", "/events", "")),
            server.ask(&request("GET", "/nowhere", "")),
            server.ask(&request("GET", "/", "")),
            server.ask(&request("DELETE", "/events", "")),
            server.ask(&post("/events?topic=a", "Origin: https://evil.example\r\n", "x")),
            server.ask(&foreign),
        ]
    };
    let lines = ["x-content-type-options: nosniff", "x-frame-options: SAMEORIGIN", "referrer-policy: same-origin"];
    for answer in answers(&Server::start(&["--www", www])) {
        for line in lines {
            assert_eq!(answer.lines().filter(|found| *found == line).count(), 1, "{line}: {answer}");
        }
        // It speaks no TLS, and is on loopback.
        assert!(!answer.contains("strict-transport-security"), "{answer}");
    }
    for answer in answers(&Server::start(&["--www", www, "--security-headers", "false"])) {
        assert!(!lines.iter().any(|line| answer.contains(line)), "{answer}");
    }
}

#[test]
fn large_answers_are_compressed_for_those_who_accept_it() {
    let server = Server::start(&[]);
    let text = "all work and no play ".repeat(200);
    server.ask(&post("/events?topic=a", "", &text));
    let poll = |headers: &str| {
        let mut answer = Vec::new();
        server.send(&request("GET", "/events/poll?topic=a&from=earliest", headers)).read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
        (String::from_utf8(answer[..end].to_vec()).unwrap(), answer[end + 4..].to_vec())
    };
    let (head, body) = poll("");
    assert!(!head.contains("content-encoding") && head.contains("vary: accept-encoding"), "{head}");
    assert!(String::from_utf8(body).unwrap().contains(&text));
    let (head, body) = poll("Accept-Encoding: gzip\r\n");
    assert!(head.contains("content-encoding: gzip") && head.contains("vary: accept-encoding"), "{head}");
    assert!(body.len() < text.len() / 5, "{} bytes", body.len());
    // In chunks, since nobody knows the length beforehand.
    let first = body.windows(2).position(|bytes| bytes == b"\r\n").unwrap() + 2;
    let mut opened = String::new();
    let _ = GzDecoder::new(&body[first..]).read_to_string(&mut opened);
    assert!(opened.contains("all work and no play "), "{opened}");

    let small = server.ask(&request("GET", "/events/health", "Accept-Encoding: gzip\r\n"));
    assert!(!small.contains("content-encoding"), "{small}");
}

#[test]
fn what_mixes_secrets_with_the_choice_of_others_is_compressed_in_no_answer() {
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("rules.toml");
    std::fs::write(&file, "[[topic_rules]]\npattern = 'accounts/*'\nstream_compression = false\n").unwrap();
    let server = Server::start(&["--config", file.to_str().unwrap()]);
    let is_compressed = |topic: &str| {
        server.ask(&post(&format!("/events?topic={topic}"), "", &"secret ".repeat(500)));
        let poll = format!("/events/poll?topic={topic}&from=earliest");
        server.ask(&request("GET", &poll, "Accept-Encoding: gzip\r\n")).contains("content-encoding: gzip")
    };
    assert!(is_compressed("prices"));
    assert!(!is_compressed("accounts/7"));
}

#[test]
fn the_binary_speaks_tls_and_our_own_commands_trust_an_authority_that_they_are_told_of() {
    let certificates = Certificates::new();
    let [cert, key, ca] =
        [certificates.cert(), certificates.key(), certificates.ca()].map(|path| path.to_str().unwrap().to_owned());
    let server = Server::start(&["--tls-cert", &cert, "--tls-key", &key]);
    assert!(server.url.starts_with("https://127.0.0.1:"), "{}", server.url);
    let url = server.url.as_str();
    let published = run(&["publish", "--topic", "a", "--url", url, "--ca", &ca, "over TLS"]);
    assert!(published.status.success(), "{}", String::from_utf8_lossy(&published.stderr));
    let untrusted = run(&["publish", "--topic", "a", "--url", url, "x"]);
    let stderr = String::from_utf8(untrusted.stderr).unwrap();
    assert!(!untrusted.status.success() && stderr.lines().count() == 1, "{stderr}");

    let mut untrusting = heartwire(&["tail", url, "--topic", "a"]).stderr(Stdio::piped()).spawn().unwrap();
    // It goes on trying, since a certificate may be renewed.
    let told = read_until(&mut BufReader::new(untrusting.stderr.take().unwrap()), "waiting");
    assert!(told.contains("invalid peer certificate"), "{told}");
    untrusting.kill().unwrap();
    untrusting.wait().unwrap();

    let arguments = ["tail", url, "--topic", "a", "--from", "earliest", "--ca", &ca];
    let mut tail = heartwire(&arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let first = BufReader::new(tail.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    assert_eq!(first, "over TLS");
    tail.kill().unwrap();
    tail.wait().unwrap();
    server.signal("-TERM");
    server.ends_well();
}

#[test]
fn a_certificate_that_cannot_be_used_is_refused_in_one_sentence_before_anything_starts() {
    let certificates = Certificates::new();
    let check = |cert: &std::path::Path, key: &std::path::Path, expected: &str| {
        for command in ["config", "serve"] {
            let output = run(&[command, "--tls-cert", cert.to_str().unwrap(), "--tls-key", key.to_str().unwrap()]);
            let stderr = String::from_utf8(output.stderr).unwrap();
            assert!(!output.status.success() && output.stdout.is_empty(), "{command}");
            assert!(stderr.contains(expected) && stderr.lines().count() == 1, "{stderr}");
            assert!(stderr.contains("tls_cert from the flag --tls-cert"), "{stderr}");
        }
    };
    let (cert, key) = (certificates.cert(), certificates.key());
    check(&certificates.path("no.pem"), &key, "no.pem cannot be read");
    check(&cert, &cert, "holds no private key in PEM");
    std::fs::copy(&key, certificates.path("old.pem")).unwrap();
    certificates.renew(Valid::NoLonger);
    check(&cert, &certificates.path("old.pem"), "is not that of the certificate");
    check(&cert, &key, "has expired");
    let output = run(&["serve", "--tls-cert", cert.to_str().unwrap()]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("tls_key must be set as tls_cert is"), "{stderr}");
}
