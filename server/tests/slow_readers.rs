//! What becomes of a reader that is too slow, by each policy.

// To clippy, a story of a test is no test.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Lane, Server, Stream, hub, in_both_lanes, poll, publish, publish_at_once, topic};
use heartwire::log::NewEvent;
use heartwire::{
    Data, Delivery, EventKey, EventType, Hub, HubConfig, Resume, SlowReaders, Subscription, TopicPattern, TopicRule,
};
use heartwire_protocol::Decoder;

in_both_lanes! {
    a_reader_that_may_skip_goes_on_from_the_head
    a_reader_gets_the_newest_of_each_key_in_order
    the_newest_come_in_as_many_batches_as_it_takes
    a_reader_of_several_topics_gets_the_most_careful_policy
    a_native_subscriber_reads_on_behind_a_gap
}

/// A reader that is more than this behind is slow; a burst of more is one reading too many.
const MAX_BEHIND: usize = 300;

fn config(slow_readers: SlowReaders) -> HubConfig {
    HubConfig { slow_readers, max_queue_size: Some(MAX_BEHIND), ..HubConfig::default() }
}

/// Opens a stream that has caught up: only such a one can be slow. Event 1 is for it.
async fn open_live(server: &Server, query: &str, topic_name: &str) -> Stream {
    let mut stream = server.open(query).await.opened().await;
    publish(&server.hub, topic_name, ["1"]).await;
    assert_eq!(stream.blocks().await, ["id: abc-1\ndata: 1"]);
    stream
}

/// Publishes events in one step, each under its key and with its own number, from 1, as data.
async fn publish_keys(hub: &Hub, topic_name: &str, keys: impl IntoIterator<Item = String>) {
    let events = keys.into_iter().zip(1..).map(|(key, n): (String, u32)| NewEvent {
        key: Some(EventKey::parse(&key).unwrap()),
        ..NewEvent::new(topic(topic_name), EventType::default(), Data::new(&n.to_string()))
    });
    hub.publish_all(events.collect()).await.unwrap();
}

async fn a_reader_that_may_skip_goes_on_from_the_head(lane: Lane) {
    let server = Server::start(lane, config(SlowReaders::Skip)).await;
    let mut stream = open_live(&server, "topic=a", "a").await;
    publish_at_once(&server.hub, "a", (0..=MAX_BEHIND).map(|n| n.to_string())).await;
    let gap = "id: abc-302\nevent: gap\ndata: {\"from\":\"abc-1\",\"to\":\"abc-302\",\"reason\":\"lagged\"}";
    assert_eq!(stream.blocks().await, [gap]);
    publish(&server.hub, "a", ["live"]).await;
    assert_eq!(stream.blocks().await, ["id: abc-303\ndata: live"]);

    // As far behind as it may be, and not further.
    publish_at_once(&server.hub, "a", (0..MAX_BEHIND).map(|n| n.to_string())).await;
    for n in 0..MAX_BEHIND {
        assert_eq!(stream.blocks().await, [format!("id: abc-{}\ndata: {n}", 304 + n)]);
    }
}

async fn a_reader_gets_the_newest_of_each_key_in_order(lane: Lane) {
    let server = Server::start(lane, config(SlowReaders::Newest)).await;
    let mut stream = open_live(&server, "topic=a", "a").await;
    let keys = (1..=400).map(|n| match n {
        17 => "early".into(),
        350 => "late".into(),
        n if n > 390 => "z".into(),
        n => ["x", "y"][n % 2].to_owned(),
    });
    publish_keys(&server.hub, "a", keys).await;
    // The first of these has no key and counts under its type, the second has that type for its key.
    publish(&server.hub, "a", ["no key"]).await;
    publish_keys(&server.hub, "a", ["message".into()]).await;
    let [gap, newest @ ..] = stream.blocks::<8>().await;
    // The two after the burst may have come in time to be told of together with it.
    let to = gap.split("\"to\":\"abc-").nth(1).unwrap().split('"').next().unwrap();
    assert!(["401", "402", "403"].contains(&to), "{gap}");
    let expected =
        format!("id: abc-1\nevent: gap\ndata: {{\"from\":\"abc-1\",\"to\":\"abc-{to}\",\"reason\":\"lagged\"}}");
    assert_eq!(gap, expected);
    let expected = [
        "id: abc-18\ndata: 17",
        "id: abc-351\ndata: 350",
        "id: abc-390\ndata: 389",
        "id: abc-391\ndata: 390",
        "id: abc-401\ndata: 400",
        "id: abc-402\ndata: no key",
        "id: abc-403\ndata: 1",
    ];
    assert_eq!(newest, expected);
    publish_keys(&server.hub, "a", ["x".into(), "x".into()]).await;
    assert_eq!(stream.blocks().await, ["id: abc-404\ndata: 1", "id: abc-405\ndata: 2"]);
}

async fn the_newest_come_in_as_many_batches_as_it_takes(lane: Lane) {
    let server = Server::start(lane, config(SlowReaders::Newest)).await;
    let mut stream = open_live(&server, "topic=a", "a").await;
    // Each key twice in a row, so that every second event is old news.
    publish_keys(&server.hub, "a", (0..4_000).map(|n| (n / 2).to_string())).await;
    let gap = "id: abc-1\nevent: gap\ndata: {\"from\":\"abc-1\",\"to\":\"abc-4001\",\"reason\":\"lagged\"}";
    assert_eq!(stream.blocks().await, [gap]);
    for n in (2..=4_000).step_by(2) {
        assert_eq!(stream.blocks().await, [format!("id: abc-{}\ndata: {n}", n + 1)]);
    }
    publish(&server.hub, "a", ["live"]).await;
    assert_eq!(stream.blocks().await, ["id: abc-4002\ndata: live"]);
}

async fn a_reader_of_several_topics_gets_the_most_careful_policy(lane: Lane) {
    let rule = |pattern: &str, policy| {
        let pattern = TopicPattern::parse(pattern).unwrap();
        TopicRule { slow_readers: Some(policy), ..TopicRule::new(pattern) }
    };
    let topic_rules = vec![rule("prices/*", SlowReaders::Newest), rule("news", SlowReaders::Skip)];
    let server = Server::start(lane, HubConfig { topic_rules, ..config(SlowReaders::Close) }).await;
    let mut streams = Vec::new();
    for query in ["topic=prices/a", "topic=news&topic=prices/a", "topic=orders&topic=news&topic=prices/a"] {
        streams.push(server.open(query).await.opened().await);
    }
    publish(&server.hub, "prices/a", ["1"]).await;
    for stream in &mut streams {
        assert_eq!(stream.blocks().await, ["id: abc-1\ndata: 1"]);
    }
    publish_keys(&server.hub, "prices/a", (0..400).map(|_| "x".to_owned())).await;
    let gap = |id: &str| {
        format!("id: {id}\nevent: gap\ndata: {{\"from\":\"abc-1\",\"to\":\"abc-401\",\"reason\":\"lagged\"}}")
    };
    assert_eq!(streams[0].blocks().await, [gap("abc-1"), "id: abc-401\ndata: 400".into()]);
    assert_eq!(streams[1].blocks().await, [gap("abc-401")]);
    assert!(streams[2].rest().await[1].contains("\"reason\":\"lagged\""));
    publish(&server.hub, "prices/a", ["live"]).await;
    for stream in &mut streams[..2] {
        assert_eq!(stream.blocks().await, ["id: abc-402\ndata: live"]);
    }
}

async fn a_native_subscriber_reads_on_behind_a_gap(lane: Lane) {
    use heartwire::client::{Subscriber, SubscriberUrl, Update};
    use heartwire_protocol::connection::{Notice, Settings, State};

    let server = Server::start(lane, config(SlowReaders::Newest)).await;
    let url = format!("http://{}/events?topic=a", server.address).parse().unwrap();
    let mut subscriber = Subscriber::new(SubscriberUrl::new(&url, &[]).unwrap(), Settings::default()).unwrap();
    let mut told = Vec::new();
    while told.last().is_none_or(|last| last != "abc-402") {
        match subscriber.next().await.unwrap() {
            Update::Notice(Notice::State(State::Open)) => publish(&server.hub, "a", ["1"]).await,
            Update::Event(event) if event.id == "abc-1" => {
                publish_keys(&server.hub, "a", (0..400).map(|n| if n == 7 { "once" } else { "x" }.to_owned())).await;
            }
            Update::Notice(Notice::Gap(gap)) => {
                told.push(format!("gap to {}", gap.to));
                publish(&server.hub, "a", ["live"]).await;
            }
            Update::Event(event) => told.push(event.id),
            _ => {}
        }
    }
    assert_eq!(told, ["gap to abc-401", "abc-9", "abc-401", "abc-402"]);
}

#[tokio::test]
async fn a_subscription_in_process_is_told_in_the_middle_of_its_events() {
    let hub = hub(config(SlowReaders::Newest));
    let mut subscription = hub.subscribe(&[topic("a")], Resume::Live);
    publish(&hub, "a", ["1"]).await;
    assert_eq!(next_ids(&mut subscription).await, [1]);
    publish_keys(&hub, "a", (0..400).map(|n| (n % 3).to_string())).await;
    let Delivery::Gap(gap) = subscription.next().await else { panic!("it is too far behind") };
    assert_eq!((gap.from.as_deref(), gap.to.as_str()), (Some("abc-1"), "abc-401"));
    assert_eq!(subscription.cursor(), "abc-1".parse().unwrap());
    assert_eq!(next_ids(&mut subscription).await, [399, 400, 401]);
}

async fn next_ids(subscription: &mut Subscription) -> Vec<u64> {
    let Delivery::Events(events) = subscription.next().await else { panic!("events come next") };
    events.iter().map(|event| event.cursor().sequence).collect()
}

#[tokio::test]
async fn what_is_evicted_while_the_newest_are_on_their_way_is_no_second_gap() {
    let hub = hub(HubConfig { max_history_per_topic: 1_000, ..config(SlowReaders::Newest) });
    let mut subscription = hub.subscribe(&[topic("a")], Resume::Live);
    publish(&hub, "a", ["it has caught up"]).await;
    assert_eq!(next_ids(&mut subscription).await, [1]);
    publish_keys(&hub, "a", (2..=1_000).map(|n| n.to_string())).await;
    assert!(matches!(subscription.next().await, Delivery::Gap(_)));
    assert!(next_ids(&mut subscription).await.into_iter().eq(2..=257));
    // What it has had goes, and some of what it was still to get.
    publish_keys(&hub, "a", (0..400).map(|n| n.to_string())).await;
    assert_eq!(next_ids(&mut subscription).await[0], 401, "of the gap, what is still kept");
    // All of the gap goes, and the first event behind it.
    publish_keys(&hub, "a", (0..601).map(|n| n.to_string())).await;
    let Delivery::Gap(gap) = subscription.next().await else { panic!("1001 is gone, and nobody said so") };
    assert_eq!((gap.from.as_deref(), gap.to.as_str()), (Some("abc-656"), "abc-2001"));
}

#[tokio::test]
async fn a_reader_that_is_always_slow_gets_more_than_gaps() {
    let hub = hub(config(SlowReaders::Newest));
    let mut subscription = hub.subscribe(&[topic("a")], Resume::Live);
    publish(&hub, "a", ["it has caught up"]).await;
    assert_eq!(next_ids(&mut subscription).await, [1]);
    let mut n_events = 0;
    for round in 1..=40 {
        publish_keys(&hub, "a", (0..400).map(|n| (n % 50).to_string())).await;
        if let Delivery::Events(events) = subscription.next().await {
            n_events += events.len();
            assert!(events.iter().all(|event| event.cursor().sequence + 800 > round * 400), "no old news");
        }
    }
    assert!(n_events >= 20 * 50, "{n_events}");
}

#[tokio::test]
async fn a_poll_is_never_moved_forward() {
    let hub = hub(HubConfig { max_history_per_topic: 400, ..config(SlowReaders::Skip) });
    publish_at_once(&hub, "a", (0..1_000).map(|n| n.to_string())).await;
    let answer = poll(&hub, "topic=a&cursor=abc-1").await;
    assert_eq!(answer["gap"]["reason"], "evicted");
    assert_eq!(answer["events"].as_array().unwrap().len(), 400);
    let waiting = tokio::spawn({
        let hub = hub.clone();
        async move { poll(&hub, "topic=a&cursor=abc-1000&wait=30").await }
    });
    while hub.subscribe(&[topic("a")], Resume::Live).cursor().sequence < 1_000 {}
    tokio::task::yield_now().await;
    publish_at_once(&hub, "a", (0..500).map(|n| n.to_string())).await;
    let answer = waiting.await.unwrap();
    assert_eq!((&answer["cursor"], &answer["gap"]), (&"abc-1000".into(), &serde_json::Value::Null));
    let answer = poll(&hub, "topic=a&cursor=abc-1000").await;
    assert_eq!(answer["gap"]["from"], "abc-1000", "the next poll is told");
}

/// Wherever a link is cut, the reader has lost nothing that it was not told of, and gets nothing twice.
#[tokio::test]
async fn a_cut_at_any_byte_loses_nothing_in_silence_and_repeats_nothing() {
    for policy in [SlowReaders::Skip, SlowReaders::Newest] {
        let hub = hub(HubConfig { heartbeat_interval: None, ..config(policy) });
        let mut stream = Stream::open(&hub, "topic=a").await;
        let mut text = String::new();
        for block in stream.blocks::<2>().await {
            text += &format!("{block}\n\n");
        }
        publish(&hub, "a", ["1"]).await;
        text += &format!("{}\n\n", stream.block().await.unwrap());
        publish_keys(&hub, "a", (0..400).map(|n| (n % 7).to_string())).await;
        let n_blocks = if policy == SlowReaders::Newest { 8 } else { 1 };
        for _ in 0..n_blocks {
            text += &format!("{}\n\n", stream.block().await.unwrap());
        }
        publish(&hub, "a", ["live"]).await;
        text += &format!("{}\n\n", stream.block().await.unwrap());
        assert!(text.ends_with("id: abc-402\ndata: live\n\n"), "{text}");

        for cut in 0..=text.len() {
            let mut decoder = Decoder::default();
            decoder.feed(text[..cut].replace("\"time_ms\":T", "\"time_ms\":0").as_bytes());
            let (mut had, mut last_id, mut told_through) = (Vec::new(), String::new(), 0);
            while let Some(event) = decoder.next_event().unwrap() {
                last_id.clone_from(&event.last_event_id);
                match event.event_type.as_str() {
                    "gap" => told_through = 401,
                    "connected" => {}
                    _ => had.push(sequence(&event.last_event_id)),
                }
            }
            if last_id.is_empty() {
                continue;
            }
            let mut resumed = hub.subscribe(&[topic("a")], Resume::parse(&last_id));
            assert!(resumed.resumed(), "all is still kept");
            while *had.last().unwrap_or(&0) < 402 {
                had.extend(next_ids(&mut resumed).await);
            }
            assert!(had.windows(2).all(|pair| pair[0] < pair[1]), "cut at {cut}: {had:?}");
            let missing: Vec<u64> = (1..=402).filter(|sequence| !had.contains(sequence)).collect();
            let last_missing = missing.last().copied().unwrap_or(0);
            assert!(last_missing <= told_through, "cut at {cut}: {missing:?}");
        }
    }
}

fn sequence(id: &str) -> u64 {
    id.strip_prefix("abc-").unwrap().parse().unwrap()
}
