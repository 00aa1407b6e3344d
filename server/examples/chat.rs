//! cargo run --example chat, then open http://127.0.0.1:3000/ in two windows
//!
//! The page publishes through a route of the application's own, which is the place to check who
//! speaks and what is said; the hub's own routes are for readers alone.
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Html;
use axum::routing::{get, post};
use axum::{Json, Router};
use heartwire::{EventType, Hub, Topic};

#[derive(serde::Serialize, serde::Deserialize)]
struct Line {
    name: String,
    text: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let hub = Hub::default();
    let say_route = Router::new().route("/say", post(say)).with_state(hub.clone());
    let page = get(async || Html(PAGE));
    let app = Router::new().route("/", page).merge(say_route).nest("/live", heartwire::reader_router(hub));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    Ok(axum::serve(listener, app).await?)
}

async fn say(State(hub): State<Hub>, Json(line): Json<Line>) -> Result<StatusCode, StatusCode> {
    let words_missing = line.name.trim().is_empty() || line.text.trim().is_empty();
    if words_missing || line.text.len() > 1_000 {
        return Err(StatusCode::BAD_REQUEST);
    }
    let topic = Topic::parse("room").map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let json = serde_json::to_string(&line).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    hub.publish(&topic, &EventType::default(), &json).await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    Ok(StatusCode::NO_CONTENT)
}

const PAGE: &str = r#"<!doctype html>
<meta charset="utf-8"><title>chat</title>
<form><input name="name" placeholder="name" required> <input name="text" placeholder="text" required> <button>say</button></form>
<ul></ul>
<script>
  new EventSource("/live/events?topic=room&from=earliest").onmessage = event => {
    const { name, text } = JSON.parse(event.data);
    const item = document.createElement("li");
    item.textContent = `${name}: ${text}`;
    document.querySelector("ul").append(item);
  };
  document.forms[0].onsubmit = event => {
    event.preventDefault();
    const { name, text } = event.target;
    const body = JSON.stringify({ name: name.value, text: text.value });
    fetch("/say", { method: "POST", headers: { "content-type": "application/json" }, body });
    text.value = "";
  };
</script>
"#;
