//! Decodes streams: `echo 'ZGF0YTogaGkKCg==' | cargo run -q -p heartwire-protocol --example decode`
//!
//! Each line of standard input is the base64 of one stream; each line of standard output is a JSON
//! array of its events. Good for comparing our decoder with others.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use heartwire_protocol::Decoder;
use serde_json::json;
use std::error::Error;
use std::io::{self, BufRead, Write};

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    for line in io::stdin().lock().lines() {
        let mut decoder = Decoder::default();
        decoder.feed(&STANDARD.decode(line?).map_err(|error| error.to_string())?);
        let mut events = Vec::new();
        while let Some(event) = decoder.next_event()? {
            events.push(json!({ "type": event.event_type, "data": event.data, "id": event.last_event_id }));
        }
        let retry_ms = decoder.retry().map(|retry| retry.as_millis() as u64);
        let whole = json!({ "events": events, "retry_ms": retry_ms, "last_event_id": decoder.last_event_id() });
        writeln!(out, "{whole}")?;
    }
    Ok(())
}
