//! The tests' own requests.

use reqwest::{Client, ClientBuilder, Response};
use tokio_rustls::rustls::crypto::ring;

/// A client that is yet to be built.
pub fn client() -> ClientBuilder {
    // Built together with the server, reqwest has the TLS that the server switches on, without a provider of
    // cryptography, and refuses to start without one, also where nothing is asked for by TLS. The second time
    // there is one already.
    let _ = ring::default_provider().install_default();
    Client::builder()
}

/// What `GET` of a URL answers.
///
/// # Errors
/// There is no answer.
pub async fn get(url: &str) -> reqwest::Result<Response> {
    client().build()?.get(url).send().await
}
