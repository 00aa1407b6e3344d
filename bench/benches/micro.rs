//! What the parts cost by themselves: `cargo bench --package heartwire-bench`.
//!
//! Each figure is for one event. The payload is like those of the load generator.

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use heartwire::{Delivery, Hub, Resume};
use heartwire_protocol::{Data, Decoder, Event, EventId, EventType, Topic, encode, frame};
use tokio::runtime::{Builder, Runtime};

/// 194 bytes of JSON on one line.
const PAYLOAD: &str = concat!(
    r#"{"type":"progress","id":"5f1c09ab","file":"backup-2026-03.tar.gz","bytes":1834405231,"total":3221225472,"#,
    r#""speed":12582912,"eta":110,"status":"most readers prefer short answers and clear figures"}"#
);

fn main() {
    divan::main();
}

fn event(data: &str) -> Event {
    Event {
        id: Some(EventId::parse("66f2a1b3c4d5-123456").expect("it is an id")),
        event_type: EventType::parse("progress").expect("it is a type"),
        data: Data::new(data),
    }
}

/// JSON of at least this length that repeats itself as much as JSON does.
fn large_payload(bytes: usize) -> Data {
    let mut text = String::from("[");
    let mut nth = 0;
    while text.len() < bytes {
        text += &PAYLOAD.replace("5f1c09ab", &format!("{nth:08x}")).replace("110", &(nth * 7).to_string());
        text.push(',');
        nth += 1;
    }
    Data::new(&(text + "0]"))
}

#[divan::bench]
fn encode_event(bencher: Bencher<'_, '_>) {
    let event = event(PAYLOAD);
    let mut out = Vec::with_capacity(4096);
    bencher.counter(BytesCount::of_str(PAYLOAD)).bench_local(|| {
        out.clear();
        encode::event(black_box(&event), &mut out);
        out.len()
    });
}

#[divan::bench]
fn decode_event(bencher: Bencher<'_, '_>) {
    let mut bytes = Vec::new();
    encode::event(&event(PAYLOAD), &mut bytes);
    let mut decoder = Decoder::new(1 << 20);
    bencher.counter(BytesCount::new(bytes.len())).bench_local(|| {
        decoder.feed(black_box(&bytes));
        decoder.next_event()
    });
}

#[divan::bench(args = [1_024, 16_384])]
fn frame_compress(bencher: Bencher<'_, '_>, bytes: usize) {
    let (event_type, data) = (EventType::default(), large_payload(bytes));
    bencher
        .counter(BytesCount::of_str(data.as_str()))
        .bench(|| frame::compress(black_box(&event_type), black_box(&data), 0));
}

#[divan::bench(args = [1_024, 16_384])]
fn frame_open(bencher: Bencher<'_, '_>, bytes: usize) {
    let data = large_payload(bytes);
    let (_, frame) = frame::compress(&EventType::default(), &data, 0).expect("a frame is smaller");
    bencher
        .counter(BytesCount::of_str(data.as_str()))
        .bench(|| frame::open(black_box(frame.as_str().as_bytes()), 1 << 20));
}

/// From publishing until this many subscriptions have been handed the event, all on one thread.
#[divan::bench(args = [1, 100, 1_000])]
fn publish_to_read(bencher: Bencher<'_, '_>, n_readers: usize) {
    let runtime = current_thread();
    let (topic, event_type) = (Topic::parse("bench").expect("it is a topic"), EventType::default());
    let (hub, mut readers) = runtime.block_on(async {
        let hub = Hub::default();
        let readers: Vec<_> =
            (0..n_readers).map(|_| hub.subscribe(std::slice::from_ref(&topic), Resume::Live)).collect();
        (hub, readers)
    });
    bencher.bench_local(|| {
        runtime.block_on(async {
            hub.publish(&topic, &event_type, PAYLOAD).await.expect("the log is in memory");
            for reader in &mut readers {
                let Delivery::Events(events) = reader.next().await else { panic!("an event was published") };
                black_box(events);
            }
        });
    });
}

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_time().build().expect("a runtime can be built")
}
