//! JWT_SECRET=$(openssl rand -hex 32) cargo run --example private
//!
//! A service that asks who reads and publishes: by tokens that its own login hands out.
use heartwire::auth::Authenticator;
use heartwire::{AuthConfig, Hub, Secret, TopicPattern};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let auth = Authenticator::new(&AuthConfig {
        jwt_secret_key: Some(Secret::new(std::env::var("JWT_SECRET")?)),
        public_topics: vec![TopicPattern::parse("news")?],
        ..AuthConfig::default()
    })?;
    let hub = Hub::default();
    // Whoever runs the hub throws its switch here: a token with `admin` is asked for.
    let live = heartwire::router(hub.clone()).merge(heartwire::admin_router(hub));
    let app = axum::Router::new().nest("/live", auth.protect(live));

    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    let app = app.into_make_service_with_connect_info::<std::net::SocketAddr>();
    Ok(axum::serve(listener, app).await?)
}
