//! What a hub tells whoever watches it: its figures, its health, and that the papers say the same.

// To clippy, a helper of tests is no test.
#![allow(clippy::unwrap_used)]

mod common;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use common::{Lane, Server, Stream, answer, eventually, get, hub, in_both_lanes, poll, publish, send, topic};
use heartwire::auth::{Identity, Rights};
use heartwire::log::{BoxFuture, Log, LogError, MemoryLog, NewEvent, Tail};
use heartwire::{Cursor, Epoch, EventType, Hub, HubConfig, TopicPattern, WatchConfig};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tower::ServiceExt;

/// What `/metrics` says, by name and labels as they are written.
async fn metrics(hub: &Hub) -> BTreeMap<String, f64> {
    let text = metrics_text(hub).await;
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples
        .map(|line| line.rsplit_once(' ').map(|(name, value)| (name.into(), value.parse().unwrap())).unwrap())
        .collect()
}

async fn metrics_text(hub: &Hub) -> String {
    let (status, text) = answer(watch(hub, "/metrics").await).await;
    assert_eq!(status, StatusCode::OK);
    text
}

async fn stats(hub: &Hub) -> Value {
    serde_json::from_str(&answer(watch(hub, "/events/stats").await).await.1).unwrap()
}

async fn watch(hub: &Hub, path: &str) -> axum::response::Response {
    let request = Request::get(path).body(Body::empty()).unwrap();
    heartwire::watch_router(hub.clone()).oneshot(request).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_happens_is_counted_under_the_names_that_alerts_know() {
    let hub = hub(HubConfig { max_connections: Some(4), ..HubConfig::default() });
    let mut first = Stream::open(&hub, "topic=a").await.opened().await;
    let _second = Stream::open(&hub, "topic=b").await.opened().await;
    // In process nobody reads on but the test: until it did, the reader has not caught up.
    assert!(tokio::time::timeout(Duration::from_millis(1), first.block()).await.is_err());
    let paid = EventType::parse("paid").unwrap();
    hub.publish(&topic("a"), &paid, "1").await.unwrap();
    publish(&hub, "a", ["2", "3"]).await;
    first.blocks::<3>().await;
    send(&hub, Request::get("/events").body(Body::empty()).unwrap()).await;
    poll(&hub, "topic=a&cursor=fff-1").await;

    let metrics = metrics(&hub).await;
    let check = |name: &str, expected: f64| assert_eq!(metrics.get(name), Some(&expected), "{name}: {metrics:#?}");
    check("sse_connections_active", 2.0);
    check("sse_connections_max", 4.0);
    check("sse_pool_use_percent", 50.0);
    check("sse_streams_opened_total", 2.0);
    check("sse_events_total{event_type=\"paid\"}", 1.0);
    check("sse_events_total{event_type=\"message\"}", 2.0);
    check("sse_deliveries_total", 3.0);
    check("sse_refusals_total{asked=\"stream\",reason=\"no-topic\"}", 1.0);
    check("sse_gaps_total{reason=\"other-epoch\"}", 1.0);
    check("sse_gaps_total{reason=\"lagged\"}", 0.0);
    check("sse_stream_ends_total{reason=\"client-left\"}", 0.0);
    check("sse_event_latency_seconds_count", 3.0);
    check("sse_ready", 1.0);
    for bound in ["0.001", "0.01", "0.1", "0.5", "1.0", "5.0", "+Inf"] {
        check(&format!("sse_event_latency_seconds_bucket{{le=\"{bound}\"}}"), 3.0);
    }
    assert!(metrics["sse_memory_usage_bytes"] > metrics["sse_history_bytes"]);

    drop(first);
    eventually("the stream has ended", || hub.active_connections() == 1).await;
    let stats = stats(&hub).await;
    assert_eq!(stats["ends"]["client-left"], 1);
    assert_eq!(stats["connections"]["pool_use_percent"], 25.0);
    assert_eq!(stats["events"]["published_total"], 3);
    assert_eq!(stats["refusals"]["stream"]["no-topic"], 1);
    let refusal = &stats["recent_refusals"][0];
    assert_eq!((&refusal["status"], &refusal["code"]), (&400.into(), &"no-topic".into()));
    let top = &stats["topics"]["top"];
    assert_eq!((&top[0]["topic"], &top[0]["events_total"], &top[0]["streams"]), (&"a".into(), &3.into(), &0.into()));
    assert_eq!((&top[1]["topic"], &top[1]["streams"]), (&"b".into(), &1.into()));
}

/// Both lanes count the same of the same.
async fn a_delivery_is_counted(lane: Lane) {
    let server = Server::start(lane, HubConfig::default()).await;
    let mut readers = Vec::new();
    for _ in 0..5 {
        readers.push(server.open("topic=a").await.opened().await);
    }
    for _ in 0..5 {
        readers.push(server.open_gzip("topic=a", "").await.opened().await);
    }
    for n in 0..20 {
        publish(&server.hub, "a", [format!("{{\"of\":\"the same kind\",\"n\":{n}}}").as_str()]).await;
        for reader in &mut readers {
            assert!(reader.block().await.unwrap().ends_with(&format!("\"n\":{n}}}")));
        }
    }
    // A shard tells when it rests, which is after the last reader has its event.
    let hub = server.hub.clone();
    let counted = |metrics: &BTreeMap<String, f64>| metrics["sse_deliveries_total"] == 200.0;
    let mut now = metrics(&hub).await;
    for _ in 0..2_000 {
        if counted(&now) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
        now = metrics(&hub).await;
    }
    assert!(counted(&now), "{now:#?}");
    assert_eq!(now["sse_event_latency_seconds_count"], 200.0);
    assert!(now["sse_event_latency_seconds_sum"] > 0.0);
    let bytes = |kind: &str, form: &str| now[&format!("sse_{kind}_bytes_total{{form=\"{form}\"}}")];
    assert_eq!(bytes("plain", "plain"), bytes("sent", "plain"), "nothing is saved where nothing is compressed");
    assert_eq!(bytes("plain", "gzip"), bytes("plain", "plain"), "the same events");
    assert!(bytes("sent", "gzip") < bytes("plain", "gzip") * 0.8, "{now:#?}");
    assert_eq!(bytes("sent", "frames"), 0.0);
    assert_eq!(now["sse_connections_blocked"], 0.0);
    assert_eq!(stats(&hub).await["topics"]["top"][0]["streams"], 10);

    drop(readers);
    server.has_streams(0).await;
    let stats = stats(&hub).await;
    assert_eq!(stats["ends"]["client-left"], 10);
    assert_eq!(stats["topics"]["top"][0]["streams"], 0);
}

/// A reader that takes nothing shows while it is there, and in how it ends.
async fn a_reader_that_takes_nothing_is_seen(lane: Lane) {
    let config = HubConfig {
        // Many times as long as what is to be seen of it below: a busy machine looks seldom.
        max_subscriber_idle_time: Some(Duration::from_secs(2)),
        max_history_per_topic: 100_000,
        max_queue_size: None,
        stream_compression: false,
        ..HubConfig::default()
    };
    let server = Server::start(lane, config).await;
    let _stuck = server.send(&common::request("topic=a", "")).await;
    server.has_streams(1).await;
    let large = "x".repeat(100_000);
    let (mut was_seen, mut longest) = (false, 0.0_f64);
    for _ in 0..4_000 {
        if server.hub.active_connections() == 0 {
            break;
        }
        publish(&server.hub, "a", [large.as_str()]).await;
        was_seen |= metrics(&server.hub).await["sse_connections_blocked"] == 1.0;
        // It may end between the two looks.
        if let Some(slow) = stats(&server.hub).await["slow_readers"].get(0) {
            assert_eq!(slow["topics"][0], "a");
            longest = longest.max(slow["blocked_for_s"].as_f64().unwrap());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(was_seen && longest >= 0.2, "{longest} s");
    server.has_streams(0).await;
    let hub = &server.hub;
    let mut now = metrics(hub).await;
    for _ in 0..2_000 {
        if now["sse_connections_blocked"] == 0.0 && now["sse_stream_ends_total{reason=\"stuck\"}"] == 1.0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
        now = metrics(hub).await;
    }
    panic!("{now:#?}");
}

/// A reader that fell behind and is moved on was told of a gap, and one that is cut of the end.
async fn lagging_is_counted(lane: Lane) {
    let server = Server::start(lane, HubConfig { max_history_per_topic: 1, ..HubConfig::default() }).await;
    publish(&server.hub, "a", ["1", "2", "3"]).await;
    let _reader = server.resume("topic=a", "abc-1").await;
    let now = metrics(&server.hub).await;
    assert_eq!(now["sse_gaps_total{reason=\"evicted\"}"], 1.0, "{now:#?}");
}

in_both_lanes! {
    a_delivery_is_counted
    a_reader_that_takes_nothing_is_seen
    lagging_is_counted
}

#[tokio::test(start_paused = true)]
async fn figures_are_for_whoever_runs_the_hub() {
    let all = || vec![TopicPattern::parse("*").unwrap()];
    let user = Identity::new(Rights { read: all(), publish: all(), admin: false });
    let admin = Identity::new(Rights { admin: true, ..Rights::default() });
    let check = async |hub: &Hub, who: Option<&Identity>, path: &str, expected: u16| {
        let mut request = Request::get(path).body(Body::empty()).unwrap();
        if let Some(who) = who {
            request.extensions_mut().insert(who.clone());
        }
        let app = heartwire::router(hub.clone()).merge(heartwire::watch_router(hub.clone()));
        let status = app.oneshot(request).await.unwrap().status();
        assert_eq!(status.as_u16(), expected, "{path}");
    };
    let closed = hub(HubConfig::default());
    let watch = WatchConfig { metrics_public: true, ..WatchConfig::default() };
    let open = hub(HubConfig { watch, ..HubConfig::default() });
    for path in ["/metrics", "/events/stats", "/events?topic=$stats", "/events/poll?topic=$stats"] {
        check(&closed, Some(&admin), path, 200).await;
        check(&closed, Some(&user), path, 403).await;
        check(&closed, Some(&Identity::anonymous(all())), path, 401).await;
        check(&closed, None, path, 200).await;
        check(&open, Some(&user), path, if path == "/metrics" { 200 } else { 403 }).await;
    }
    check(&closed, Some(&admin), "/events?topic=$other", 400).await;
    let request = Request::post("/events?topic=$stats").body("{}".into()).unwrap();
    assert_eq!(
        common::refusal(send(&closed, request).await).await,
        (400, "bad-topic".into()),
        "nobody publishes there"
    );
}

#[tokio::test(start_paused = true)]
async fn labels_are_bounded() {
    let watch = WatchConfig { metrics_topic_label: true, metrics_max_labels: 2, ..WatchConfig::default() };
    let hub = hub(HubConfig { watch, ..HubConfig::default() });
    for n in 0..50 {
        let event_type = EventType::parse(&format!("type-{n}")).unwrap();
        hub.publish(&topic(&format!("topic \"{n}\"")), &event_type, "").await.unwrap();
    }
    let metrics = metrics(&hub).await;
    let rows: Vec<_> = metrics.iter().filter(|(name, _)| name.starts_with("sse_events_total")).collect();
    let expected = [
        (r#"sse_events_total{event_type="other",topic="other"}"#, 48.0),
        (r#"sse_events_total{event_type="type-0",topic="topic \"0\""}"#, 1.0),
        (r#"sse_events_total{event_type="type-1",topic="topic \"1\""}"#, 1.0),
    ];
    assert_eq!(rows.len(), expected.len(), "{rows:?}");
    for (name, n) in expected {
        assert_eq!(metrics.get(name), Some(&n), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn with_metrics_off_nothing_is_told_and_health_is() {
    let watch = WatchConfig { metrics: false, ..WatchConfig::default() };
    let hub = hub(HubConfig { watch, ..HubConfig::default() });
    for path in ["/metrics", "/events/stats"] {
        assert_eq!(self::watch(&hub, path).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
    for path in ["/health", "/health/live", "/health/ready"] {
        assert_eq!(get(&hub, path).await.status(), StatusCode::OK, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn health_is_degraded_beyond_a_threshold() {
    let with = |memory_mb, topics| {
        let watch = WatchConfig { health_memory_mb: memory_mb, health_topics: topics, ..WatchConfig::default() };
        hub(HubConfig { watch, ..HubConfig::default() })
    };
    let check = async |hub: Hub, expected: &str| {
        publish(&hub, "a", ["1"]).await;
        publish(&hub, "b", ["1"]).await;
        let _stream = Stream::open(&hub, "topic=b").await.opened().await;
        let (status, text) = answer(get(&hub, "/health").await).await;
        let mut json: Value = serde_json::from_str(&text).unwrap();
        assert!(json["metrics"]["memory_mb"].take().as_f64().unwrap() > 0.0);
        assert_eq!((status.as_u16(), json.to_string().as_str()), (200, expected));
    };
    let figures = r#""metrics":{"memory_mb":null,"sessions":2,"subscribers":1}"#;
    let told = |checks: &str, status: &str| format!("{{\"checks\":{checks},{figures},\"status\":\"{status}\"}}");
    check(with(10_000, 3), &told(r#"{"memory":true,"sessions":true}"#, "healthy")).await;
    check(with(10_000, 2), &told(r#"{"memory":true,"sessions":false}"#, "degraded")).await;
    check(with(1, 3), &told(r#"{"memory":false,"sessions":true}"#, "degraded")).await;
}

/// A log that can be switched off.
struct Unsteady {
    log: MemoryLog,
    is_off: AtomicBool,
}

impl Log for Unsteady {
    fn epoch(&self) -> Epoch {
        self.log.epoch()
    }

    fn append(&self, events: Vec<NewEvent>) -> BoxFuture<'_, Result<Vec<Cursor>, LogError>> {
        self.log.append(events)
    }

    fn is_available(&self) -> bool {
        !self.is_off.load(Ordering::SeqCst)
    }

    fn attach(&self, tail: Arc<dyn Tail>) {
        self.log.attach(tail);
    }
}

#[tokio::test(start_paused = true)]
async fn a_hub_is_ready_while_its_log_is_there_and_it_does_not_drain() {
    let log = Arc::new(Unsteady { log: MemoryLog::new(), is_off: AtomicBool::new(false) });
    let hub = Hub::with_log(HubConfig::default(), Arc::clone(&log) as Arc<dyn Log>).unwrap();
    let check = async |expected: (u16, &str)| {
        let (status, text) = answer(get(&hub, "/health/ready").await).await;
        assert_eq!((status.as_u16(), text.as_str()), expected);
    };
    let ready = (200, r#"{"status":"ready","ready":true}"#);
    let not_ready = (503, r#"{"status":"not_ready","ready":false}"#);
    check(ready).await;
    log.is_off.store(true, Ordering::SeqCst);
    check(not_ready).await;
    log.is_off.store(false, Ordering::SeqCst);
    check(ready).await;
    hub.drain();
    check(not_ready).await;
}

#[tokio::test(start_paused = true)]
async fn a_hub_whose_readers_have_all_its_memory_is_not_ready() {
    let config = HubConfig {
        memory_critical_mb: Some(1),
        max_bytes_total: 1 << 20,
        max_bytes_per_topic: 1 << 20,
        ..HubConfig::default()
    };
    let hub = hub(config);
    let mut streams = Vec::new();
    for _ in 0..512 {
        streams.push(Stream::open(&hub, "topic=a").await);
    }
    assert_eq!(get(&hub, "/health/ready").await.status(), StatusCode::SERVICE_UNAVAILABLE);
    streams.truncate(500);
    assert_eq!(get(&hub, "/health/ready").await.status(), StatusCode::OK);
}

/// The names, types and labels that `/metrics` has when everything is set that adds any.
async fn exposed() -> BTreeMap<String, (String, BTreeSet<String>)> {
    let hub = hub(HubConfig {
        max_connections: Some(7),
        memory_critical_mb: Some(256),
        watch: WatchConfig { metrics_topic_label: true, ..WatchConfig::default() },
        ..HubConfig::default()
    });
    publish(&hub, "a", ["1"]).await;
    get(&hub, "/events").await;
    let text = metrics_text(&hub).await;
    assert!(text.ends_with("# EOF\n"));
    let mut exposed: BTreeMap<String, (String, BTreeSet<String>)> = BTreeMap::new();
    let mut of = String::new();
    for line in text.lines() {
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            of = if kind == "counter" { format!("{name}_total") } else { name.into() };
            exposed.insert(of.clone(), (kind.into(), BTreeSet::new()));
        } else if !line.starts_with('#') {
            let labels = line.split_once('{').map_or("", |(_, rest)| rest.rsplit_once('}').unwrap().0);
            let names = labels.split("\",").filter_map(|label| Some(label.split_once("=\"")?.0.to_owned()));
            exposed.get_mut(&of).unwrap().1.extend(names.filter(|name| name != "le"));
        }
    }
    exposed
}

#[tokio::test(start_paused = true)]
async fn operations_md_lists_every_figure_and_no_other() {
    let document = include_str!("../../docs/operations.md");
    let (_, section) = document.split_once("### Figures").unwrap();
    let rows = section.split("\n### ").next().unwrap().lines().filter(|line| line.starts_with("| `"));
    let words = |cell: &str| cell.split(", ").map(|word| word.trim_matches('`').to_owned()).collect::<Vec<_>>();
    let documented: BTreeMap<String, (String, BTreeSet<String>)> = rows
        .map(|row| {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            let labels = words(cells[3]).into_iter().filter(|label| !label.is_empty()).collect();
            (words(cells[1]).remove(0), (cells[2].to_owned(), labels))
        })
        .collect();
    let mut exposed = exposed().await;
    // The one that is there on Linux alone.
    exposed.entry("process_resident_memory_bytes".into()).or_insert_with(|| ("gauge".into(), BTreeSet::new()));
    assert_eq!(exposed, documented);
}

#[tokio::test(start_paused = true)]
async fn the_alerts_speak_of_what_is_exposed() {
    let rules = include_str!("../../deploy/prometheus/heartwire.rules.yml");
    let exposed = exposed().await;
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let code = rules.lines().filter(|line| !line.trim_start().starts_with('#')).collect::<Vec<_>>().join("\n");
    let names: BTreeSet<&str> = code.split(|c| !is_name(c)).filter(|word| word.starts_with("sse_")).collect();
    assert!(names.len() >= 5, "{names:?}");
    for name in names {
        assert!(exposed.contains_key(name), "{name} is not exposed");
    }
    // Labels that an alert selects by or sums up by.
    for (selector, label) in [("sse_refusals_total{asked=", "asked"), ("reason!=", "reason"), ("reason=~", "reason")] {
        assert!(code.contains(selector), "{selector}");
        assert!(exposed["sse_refusals_total"].1.contains(label) || exposed["sse_stream_ends_total"].1.contains(label));
    }
}
