//! One story a test.

use anyhow::{Context, Result, ensure};
use heartwire_tests::link::Mood;
use heartwire_tests::server::{Server, heartwire};
use heartwire_tests::{Link, eventually, examples, http, part};
use serde_json::Value;
use std::io::Write;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::mpsc;

/// A running `heartwire tail --json`.
struct Tail {
    _child: Child,
    events: Lines<BufReader<ChildStdout>>,
    told: mpsc::UnboundedReceiver<String>,
}

impl Tail {
    fn of(url: &str, arguments: &[&str]) -> Result<Self> {
        let mut child = heartwire()?
            .args(["tail", url, "--json"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("start tail")?;
        let events = BufReader::new(child.stdout.take().context("its output")?).lines();
        let mut lines = BufReader::new(child.stderr.take().context("its messages")?).lines();
        // Read all the time: a full pipe would make it wait for us.
        let (tell, told) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                if tell.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self { _child: child, events, told })
    }

    async fn next(&mut self) -> Result<Value> {
        let line = tokio::time::timeout(heartwire_tests::wait::PATIENCE, self.events.next_line()).await;
        let line = line.context("waited in vain for an event")??.context("tail has ended")?;
        Ok(serde_json::from_str(&line)?)
    }

    async fn next_data(&mut self) -> Result<String> {
        Ok(self.next().await?["data"].as_str().context("an event has data")?.to_owned())
    }

    /// Reads messages until one has this word.
    async fn until_told(&mut self, word: &str) -> Result<String> {
        loop {
            let line = tokio::time::timeout(heartwire_tests::wait::PATIENCE, self.told.recv()).await;
            let line = line.with_context(|| format!("waited in vain to be told {word}"))?;
            let line = line.context("tail has ended")?;
            if line.contains(word) {
                return Ok(line);
            }
        }
    }
}

fn payload(number: u64) -> String {
    let text = format!("line {number}\nand more; ").repeat(if number.is_multiple_of(4) { 120 } else { 1 });
    format!("{number}:{text}")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_arrives_once_and_in_order_over_a_link_that_is_cut_two_hundred_times() {
    const N_EVENTS: u64 = 20_000;
    let server = Server::start(&[
        "--max-history-per-topic",
        "30000",
        "--max-queue-size",
        "off",
        "--max-bytes-per-topic",
        "200000000",
    ])
    .await
    .unwrap();
    let link = Link::to(server.address(), 11).await.unwrap();
    let delays = ["--base-reconnect-delay", "0.001", "--max-reconnect-delay", "0.02"];
    let mut tail = Tail::of(&link.url("/events?topic=t&from=earliest"), &delays).unwrap();
    link.set(Mood::Cutting { after_at_most: 10_000 });

    let publishing = async {
        for first in (0..N_EVENTS).step_by(100) {
            let batch: Vec<String> = (first..first + 100).map(payload).collect();
            server.publish_all("t", &batch).await?;
        }
        anyhow::Ok(())
    };
    let reading = async {
        for number in 0..N_EVENTS {
            let data = tail.next_data().await?;
            ensure!(data == payload(number), "event {number} is next, and whole, but {data:.20} came");
        }
        anyhow::Ok(())
    };
    tokio::try_join!(publishing, reading).unwrap();
    assert!(link.cuts() >= 200, "the link was cut {} times only", link.cuts());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_server_is_met_with_a_gap_and_then_with_its_new_events() {
    let mut server = Server::start(&[]).await.unwrap();
    let mut tail = Tail::of(&server.url("/events?topic=t&from=earliest"), &["--base-reconnect-delay", "0.05"]).unwrap();
    server.publish("t", "before").await.unwrap();
    assert_eq!(tail.next_data().await.unwrap(), "before");
    server.kill().await.unwrap();
    server.restart().await.unwrap();
    server.publish("t", "after").await.unwrap();
    tail.until_told("other-epoch").await.unwrap();
    assert_eq!(tail.next_data().await.unwrap(), "after");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_goes_silent_is_opened_again() {
    let server = Server::start(&["--heartbeat-interval", "0.4"]).await.unwrap();
    let link = Link::to(server.address(), 3).await.unwrap();
    let mut tail = Tail::of(&link.url("/events?topic=t&from=earliest"), &["--base-reconnect-delay", "0.05"]).unwrap();
    server.publish("t", "one").await.unwrap();
    assert_eq!(tail.next_data().await.unwrap(), "one");
    link.set(Mood::Silent);
    server.publish("t", "two").await.unwrap();
    tail.until_told("silent").await.unwrap();
    link.set(Mood::Well);
    assert_eq!(tail.next_data().await.unwrap(), "two");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lines_of_a_real_file_arrive_through_a_pipe_even_when_the_server_is_away_for_a_while() {
    let mut server = Server::start(&[]).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    std::fs::write(&path, "one\ntwo\n").unwrap();
    let mut tail_f = Command::new("tail")
        .args(["-n", "+1", "-f"])
        .arg(&path)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let lines: Stdio = tail_f.stdout.take().unwrap().try_into().unwrap();
    let _pipe = heartwire()
        .unwrap()
        .args(["pipe", "--topic", "lines", "--url", &server.url("/")])
        .stdin(lines)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut tail =
        Tail::of(&server.url("/events?topic=lines&from=earliest"), &["--base-reconnect-delay", "0.05"]).unwrap();
    assert_eq!(tail.next_data().await.unwrap(), "one");
    assert_eq!(tail.next_data().await.unwrap(), "two");

    server.kill().await.unwrap();
    let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
    writeln!(file, "three, while nobody is home").unwrap();
    server.restart().await.unwrap();
    // What was published may have been read before the pipe had its answer. Then it says that again.
    let mut data = tail.next_data().await.unwrap();
    while ["one", "two"].contains(&data.as_str()) {
        data = tail.next_data().await.unwrap();
    }
    assert_eq!(data, "three, while nobody is home");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_term_signal_sends_the_readers_away_and_the_server_ends() {
    let mut server = Server::start(&["--drain-window", "0.5"]).await.unwrap();
    let mut tails = Vec::new();
    for _ in 0..10 {
        let mut tail = Tail::of(&server.url("/events?topic=t"), &[]).unwrap();
        tail.until_told("open").await.unwrap();
        tails.push(tail);
    }
    let pid = server.pid().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().await.unwrap().success());
    for tail in &mut tails {
        tail.until_told("draining").await.unwrap();
    }
    assert_eq!(server.ended().await.unwrap(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_page_cannot_publish_to_a_hub_on_this_machine() {
    let server = Server::start(&[]).await.unwrap();
    let client = http::client().build().unwrap();
    let post = |name: &'static str, value: &'static str| {
        client.post(server.url("/events?topic=t")).header(name, value).body("x").send()
    };
    assert_eq!(post("origin", "http://evil.example").await.unwrap().status(), 403);
    assert_eq!(post("host", "evil.example").await.unwrap().status(), 403, "DNS rebinding");
    assert_eq!(post("accept", "*/*").await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_others_can_reach_is_not_open_by_accident() {
    let run = heartwire()
        .unwrap()
        .args(["serve", "--listen", "0.0.0.0:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output()
        .await
        .unwrap();
    assert!(!run.status.success());
    let said = String::from_utf8(run.stderr).unwrap();
    assert!(said.contains("require-auth") || said.contains("require_auth"), "{said}");
    assert_eq!(said.trim_end().lines().count(), 1, "one sentence: {said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_is_far_behind_is_told_what_it_missed() {
    let server = Server::start(&["--max-history-per-topic", "10"]).await.unwrap();
    let first = server.publish("t", "0").await.unwrap();
    for number in 1..50 {
        server.publish("t", &number.to_string()).await.unwrap();
    }
    let mut tail = Tail::of(&server.url("/events?topic=t"), &["--last-event-id", &first]).unwrap();
    tail.until_told("evicted").await.unwrap();
    for number in 40..50 {
        assert_eq!(tail.next_data().await.unwrap(), number.to_string());
    }
    eventually("the health of the server", async || {
        let (status, body) = server.get("/events/health").await?;
        Ok((status == 200 && body.contains("\"active_connections\":1")).then_some(()))
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_readmes_rust_example_runs() {
    let example = include_str!("../../server/examples/hello.rs");
    assert_eq!(examples::of_readme("rust").unwrap(), example, "the README shows the example as it is");
    let _service = Command::new(part("HEARTWIRE_EXAMPLES").unwrap().join("hello")).kill_on_drop(true).spawn().unwrap();
    let mut tail = Tail::of("http://127.0.0.1:3000/live/events?topic=ticks&from=earliest", &[]).unwrap();
    assert_eq!(tail.next_data().await.unwrap(), "tick 0");
    assert_eq!(tail.next_data().await.unwrap(), "tick 1");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_publishes_what_it_is_given_and_prints_the_id() {
    let server = Server::start(&[]).await.unwrap();
    let url = server.url("/");
    let publish = heartwire()
        .unwrap()
        .args(["publish", "--topic", "orders", "--type", "paid", "--url", &url, r#"{"n":7}"#])
        .stdout(Stdio::piped())
        .output()
        .await
        .unwrap();
    assert!(publish.status.success());
    let mut tail = Tail::of(&server.url("/events?topic=orders&from=earliest"), &[]).unwrap();
    let event = tail.next().await.unwrap();
    assert_eq!(event["id"], String::from_utf8(publish.stdout).unwrap().trim_end());
    assert_eq!((&event["type"], &event["data"]), (&Value::from("paid"), &Value::from(r#"{"n":7}"#)));
}
