//! What is published: JSON of many sizes, some of it on several lines, some of it not ASCII.

use fastrand::Rng;
use serde_json::{Value, json};

/// The topics that events are published under.
pub(crate) const TOPICS: [&str; 4] = ["orders", "chat", "progress", "grüße"];
/// Their event types; most have none of their own.
const TYPES: [&str; 6] = ["message", "message", "message", "message", "progress", "note"];
const WORDS: [&str; 12] =
    ["first", "answer", "of the", "report", "Friday", "thanks", "für alle", "日本語", "🌊", "done", "queue", "twice"];

/// One line of NDJSON: event `number`, which is in its payload.
pub(crate) fn line(number: u32, rng: &mut Rng) -> Value {
    let topic = TOPICS[rng.usize(..TOPICS.len())];
    let n_bytes = match rng.u16(..1_000) {
        0 => rng.usize(33_000..50_000),
        1..60 => rng.usize(1_000..3_000),
        60..300 => rng.usize(200..500),
        _ => rng.usize(0..150),
    };
    let mut text = String::new();
    while text.len() < n_bytes {
        // Some of it hardly compresses.
        if rng.u8(..4) == 0 {
            text += &format!("{:x} ", rng.u64(..));
        } else {
            text += WORDS[rng.usize(..WORDS.len())];
            text.push(' ');
        }
    }
    let payload = json!({ "n": number, "topic": topic, "user": format!("user-{}", rng.u8(..)), "text": text });
    let is_on_several_lines = rng.u8(..10) == 0;
    let data = if is_on_several_lines { format!("{payload:#}") } else { payload.to_string() };
    json!({ "topic": topic, "type": TYPES[rng.usize(..TYPES.len())], "data": data })
}
