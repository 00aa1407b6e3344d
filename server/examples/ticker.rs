//! cargo run --example ticker, then: curl -N 'http://127.0.0.1:3000/events?topic=prices&from=earliest'
//!
//! A short history, settings of one's own, and a server that says goodbye to its readers on Ctrl-C.
use heartwire::{EventType, Hub, HubConfig, Shutdown, Topic};
use std::time::Duration;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let hub = Hub::new(HubConfig {
        max_history_per_topic: 20,
        heartbeat_interval: Some(Duration::from_secs(5)),
        ..HubConfig::default()
    })?;
    let listener = heartwire::listen("127.0.0.1:3000".parse()?)?;
    let shutdown = Shutdown::on_signals(hub.clone())?;
    let server = heartwire::serve(listener, heartwire::reader_router(hub.clone()), shutdown);
    tokio::select! {
        () = server => Ok(()),
        failed = tick(hub) => failed,
    }
}

async fn tick(hub: Hub) -> Result<(), Box<dyn std::error::Error>> {
    let (topic, event_type) = (Topic::parse("prices")?, EventType::parse("price")?);
    let mut price = 100_i64;
    loop {
        // A walk that comes back: a price should look alive, not mean anything.
        price += (price * 7 + 3) % 11 - 5;
        hub.publish(&topic, &event_type, &format!(r#"{{"gold":{price}}}"#)).await?;
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}
