//! cargo run --example hello, then: curl -N 'http://127.0.0.1:3000/live/events?topic=ticks'
use heartwire::{EventType, Hub, Topic};
use std::time::Duration;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let hub = Hub::default();
    let app = axum::Router::new().nest("/live", heartwire::reader_router(hub.clone()));

    let topic = Topic::parse("ticks")?;
    tokio::spawn(async move {
        for n in 0.. {
            if hub.publish(&topic, &EventType::default(), &format!("tick {n}")).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });

    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    Ok(axum::serve(listener, app).await?)
}
