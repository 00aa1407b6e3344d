//! Who is let in: tokens, keys of programs, tickets; and who is not, whatever they try.

#![cfg(feature = "auth")]
// To clippy, a helper of tests is no test.
#![allow(clippy::unwrap_used)]

mod common;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderName, Request, StatusCode, header};
use axum::response::Response;
use common::{Stream, answer, hub, publish, refusal};
use heartwire::auth::{Authenticator, AuthenticatorError, KeysError, Rights};
use heartwire::{ApiKey, AuthConfig, Hub, HubConfig, Secret, TopicPattern};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tower::ServiceExt;

const SECRET: &str = "a secret of at least 32 characters";
/// Three keys, whose private halves nobody has any more, and a token of each, made by openssl.
const KEY_SET: &str = include_str!("keys/jwks.json");
const TOKENS: &str = include_str!("keys/tokens.json");

/// A hub behind an authenticator.
struct App {
    hub: Hub,
    routes: Router,
}

impl App {
    fn new(config: AuthConfig) -> Self {
        let hub = hub(HubConfig::default());
        let routes = heartwire::router(hub.clone()).merge(heartwire::admin_router(hub.clone()));
        Self { hub, routes: Authenticator::new(&config).unwrap().protect(routes) }
    }

    /// One that knows the tokens of [`sign`].
    fn of_secret() -> Self {
        Self::new(of_secret())
    }

    async fn send(&self, request: Request<Body>) -> Response {
        self.routes.clone().oneshot(request).await.unwrap()
    }

    async fn get(&self, uri: &str, headers: &[(HeaderName, String)]) -> Response {
        let mut request = Request::get(uri);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// Reads a topic by a token; the code of the refusal, or nothing.
    async fn read(&self, topic: &str, token: &str) -> Option<(u16, String)> {
        let response = self.get(&format!("/events?topic={topic}"), &[bearer(token)]).await;
        if response.status() == StatusCode::OK { None } else { Some(refusal(response).await) }
    }

    async fn ticket(&self, token: &str) -> Response {
        let (name, value) = bearer(token);
        self.send(Request::post("/events/ticket").header(name, value).body(Body::empty()).unwrap()).await
    }
}

fn of_secret() -> AuthConfig {
    AuthConfig { jwt_secret_key: Some(Secret::new(SECRET)), ..AuthConfig::default() }
}

fn bearer(token: &str) -> (HeaderName, String) {
    (header::AUTHORIZATION, format!("Bearer {token}"))
}

fn cookie(cookie: &str) -> (HeaderName, String) {
    (header::COOKIE, cookie.to_owned())
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// A token of the secret, for whoever may read and publish `a`.
fn good() -> Value {
    json!({"sub": "7", "exp": now_s() + 600, "heartwire": {"read": ["a"], "publish": ["a"]}})
}

/// `good` with some claims in the place of its own; `null` takes one away.
fn good_but(changes: Value) -> String {
    let mut claims = good();
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        }
    }
    sign(&claims)
}

fn sign(claims: &Value) -> String {
    sign_with(SECRET.as_bytes(), None, claims)
}

fn sign_with(secret: &[u8], kid: Option<&str>, claims: &Value) -> String {
    let header = Header { kid: kid.map(str::to_owned), ..Header::new(Algorithm::HS256) };
    jsonwebtoken::encode(&header, claims, &EncodingKey::from_secret(secret)).unwrap()
}

fn base64(text: &str) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = String::new();
    for three in text.as_bytes().chunks(3) {
        let bits = three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..=three.len() {
            out.push(char::from(DIGITS[(bits >> (18 - 6 * place) & 63) as usize]));
        }
    }
    out
}

fn tokens_of_openssl() -> Vec<(String, String)> {
    let tokens: serde_json::Map<String, Value> = serde_json::from_str(TOKENS).unwrap();
    tokens.into_iter().map(|(name, token)| (name, token.as_str().unwrap().to_owned())).collect()
}

/// A file of keys in a folder of its own.
fn key_file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

fn of_file(path: PathBuf) -> AuthConfig {
    AuthConfig { jwks_file: Some(path), ..AuthConfig::default() }
}

fn code(code: &str) -> Option<(u16, String)> {
    let status = match code {
        "topic-forbidden" | "admin-only" => 403,
        "locked-out" => 429,
        "no-ticket" => 503,
        _ => 401,
    };
    Some((status, code.to_owned()))
}

#[tokio::test(start_paused = true)]
async fn a_token_of_each_algorithm_lets_in_whom_it_names() {
    let (_folder, path) = key_file(KEY_SET);
    let app = App::new(AuthConfig { jwks_file: Some(path), ..of_secret() });
    let tokens = tokens_of_openssl();
    assert_eq!(tokens.len(), 3);
    for (name, token) in tokens {
        assert_eq!(app.read("a", &token).await, None, "{name}");
        assert_eq!(app.read("b/1", &token).await, None, "{name}");
        assert_eq!(app.read("c", &token).await, code("topic-forbidden"), "{name}");
    }
    assert_eq!(app.read("a", &sign(&good())).await, None);
    let mut stream = Stream::of(app.get("/events?topic=a", &[bearer(&sign(&good()))]).await).opened().await;
    publish(&app.hub, "a", ["1"]).await;
    assert_eq!(stream.blocks().await, ["id: abc-1\ndata: 1"]);
}

#[tokio::test(start_paused = true)]
async fn whatever_is_no_good_token_is_refused_with_the_reason() {
    let (_folder, path) = key_file(KEY_SET);
    let app = App::new(AuthConfig { jwks_file: Some(path), lockout_failures: None, ..of_secret() });
    let check = async |token: &str, expected: &str, why: &str| {
        let response = app.get("/events/poll?topic=a", &[bearer(token)]).await;
        let challenge = response.headers()[header::WWW_AUTHENTICATE].to_str().unwrap().to_owned();
        assert_eq!(challenge, "Bearer realm=\"heartwire\", error=\"invalid_token\"", "{token:.200}");
        let (status, body) = answer(response).await;
        let json: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((status.as_u16(), json["code"].as_str().unwrap()), (401, expected), "{token:.200}");
        assert!(json["detail"].as_str().unwrap().contains(why), "{token:.200}: {body}");
    };
    let claims = base64(&good().to_string());
    // Without a signature, by any spelling of it.
    for none in ["none", "None", "NONE", "nOnE", ""] {
        for signature in ["", "AAAA"] {
            let header = base64(&json!({"alg": none, "typ": "JWT"}).to_string());
            check(&format!("{header}.{claims}.{signature}"), "bad-token", "is no JWT").await;
        }
    }
    check(&format!("{}.{claims}.", base64(r#"{"alg":"HS256"}"#)), "bad-token", "signature").await;
    // Public keys as secrets: the name of a key, or none, does not make a secret of it.
    let key_set: Value = serde_json::from_str(KEY_SET).unwrap();
    for key in key_set["keys"].as_array().unwrap() {
        for public in ["n", "x"].map(|part| key[part].as_str()).into_iter().flatten() {
            let kid = key["kid"].as_str();
            check(&sign_with(public.as_bytes(), kid, &good()), "bad-token", "names a key").await;
            check(&sign_with(public.as_bytes(), None, &good()), "bad-token", "signature").await;
        }
    }
    // Another's signature, another's claims, another algorithm.
    for (name, token) in tokens_of_openssl() {
        let [header, own, signature] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
        check(&format!("{header}.{claims}.{signature}"), "bad-token", "signature").await;
        check(&format!("{header}.{own}."), "bad-token", "signature").await;
        check(&format!("{header}.{own}.{}", signature.to_lowercase()), "bad-token", "").await;
        for other in ["RS256", "ES256", "EdDSA", "HS256"].into_iter().filter(|other| *other != name) {
            let other = base64(&json!({"alg": other, "kid": "ed"}).to_string());
            check(&format!("{other}.{own}.{signature}"), "bad-token", "").await;
        }
        for other in ["RS384", "RS512", "PS256", "HS512", "ES384"] {
            let other = base64(&json!({"alg": other}).to_string());
            check(&format!("{other}.{own}.{signature}"), "bad-token", "names a key").await;
        }
    }
    check(&sign_with(b"another secret of at least 32 characters", None, &good()), "bad-token", "signature").await;
    check(&sign_with(SECRET.as_bytes(), Some("unknown"), &good()), "bad-token", "names a key").await;
    let critical = base64(r#"{"alg":"HS256","crit":["exp"]}"#);
    check(&format!("{critical}.{claims}.AAAA"), "bad-token", "critical").await;
    // Good signatures over claims that do not do.
    check(&good_but(json!({"exp": now_s() - 60})), "token-expired", "expired").await;
    check(&good_but(json!({"exp": null})), "bad-token", "when it expires").await;
    check(&good_but(json!({"exp": "tomorrow"})), "bad-token", "make no sense").await;
    check(&good_but(json!({"exp": -1})), "bad-token", "").await;
    check(&good_but(json!({"nbf": now_s() + 60})), "bad-token", "not good yet").await;
    check(&good_but(json!({"aud": "another"})), "bad-token", "audience").await;
    check(&good_but(json!({"sub": 7})), "bad-token", "make no sense").await;
    check(&good_but(json!({"heartwire": {"reed": ["a"]}})), "bad-token", "make no sense").await;
    check(&good_but(json!({"heartwire": {"read": "a"}})), "bad-token", "make no sense").await;
    check(&good_but(json!({"heartwire": {"read": ["a*b"]}})), "bad-token", "pattern").await;
    check(&good_but(json!({"heartwire": {"read": ["$stats"]}})), "bad-token", "pattern").await;
    // What another application calls a right is none here.
    let elsewhere = good_but(json!({"heartwire": null, "read": ["a"], "admin": true}));
    assert_eq!(app.read("a", &elsewhere).await, code("topic-forbidden"));
    // Too long to be looked at, and no token at all.
    check(&sign(&json!({"exp": now_s() + 600, "x": "x".repeat(8_192)})), "bad-token", "8,192").await;
    for nonsense in ["", "x", "a.b", "a.b.c", "a.b.c.d", "....", &"a.".repeat(4_000)] {
        check(nonsense, "bad-token", "").await;
    }
}

#[tokio::test(start_paused = true)]
async fn issuer_and_audience_are_asked_for_where_they_are_set() {
    let issuer = Some("https://login.example".to_owned());
    let app = App::new(AuthConfig { jwt_issuer: issuer, jwt_audience: Some("hub".into()), ..of_secret() });
    let check = async |iss: Value, aud: Value, expected| {
        assert_eq!(app.read("a", &good_but(json!({"iss": iss, "aud": aud}))).await, expected, "{iss} {aud}");
    };
    check(json!("https://login.example"), json!("hub"), None).await;
    check(json!("https://login.example"), json!(["other", "hub"]), None).await;
    for (iss, aud) in [
        (json!("https://evil.example"), json!("hub")),
        (Value::Null, json!("hub")),
        (json!(7), json!("hub")),
        (json!("https://login.example"), json!("other")),
        (json!("https://login.example"), json!(["other"])),
        (json!("https://login.example"), json!([])),
        (json!("https://login.example"), Value::Null),
    ] {
        check(iss, aud, code("bad-token")).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_is_good_for_as_long_as_clocks_may_differ() {
    let check = async |leeway_s: u64, exp: u64, expected| {
        let config = AuthConfig { jwt_leeway: Duration::from_secs(leeway_s), ..of_secret() };
        assert_eq!(App::new(config).read("a", &good_but(json!({"exp": exp}))).await, expected, "{leeway_s} {exp}");
    };
    check(300, now_s() - 200, None).await;
    check(300, now_s() - 310, code("token-expired")).await;
    check(0, now_s() - 2, code("token-expired")).await;
    check(0, now_s() + 600, None).await;
    check(30, u64::MAX, None).await;
}

#[tokio::test(start_paused = true)]
async fn keys_come_and_go_with_their_file() {
    let key = |kid: &str, secret: &str| json!({"kty": "oct", "kid": kid, "k": base64(secret)});
    let (old, new) =
        (("2025", "the secret of the year of 2025, long enough"), ("2026", "and that of 2026, no shorter"));
    let new = (new.0, format!("{} than it must be", new.1));
    let set = |keys: &[Value]| json!({"keys": keys}).to_string();
    let (folder, path) = key_file(&set(&[key(old.0, old.1)]));
    let app = App::new(of_file(path.clone()));
    let old_token = sign_with(old.1.as_bytes(), Some(old.0), &good());
    let new_token = sign_with(new.1.as_bytes(), Some(new.0), &good());
    let eventually = async |token: &str, expected: Option<(u16, String)>| {
        for _ in 0..100 {
            if app.read("a", token).await == expected {
                return;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        panic!("{expected:?} does not come");
    };
    assert_eq!(app.read("a", &old_token).await, None);
    assert_eq!(app.read("a", &new_token).await, code("bad-token"));

    std::fs::write(&path, set(&[key(old.0, old.1), key(new.0, &new.1)])).unwrap();
    eventually(&new_token, None).await;
    assert_eq!(app.read("a", &old_token).await, None, "both are good while they change over");
    // The name of one key does not go with the secret of the other.
    let crossed = sign_with(old.1.as_bytes(), Some(new.0), &good());
    assert_eq!(app.read("a", &crossed).await, code("bad-token"));
    assert_eq!(app.read("a", &sign_with(new.1.as_bytes(), None, &good())).await, None, "one that names none fits");

    // As a mounted secret is changed: the old file goes, and another takes its place.
    let beside = folder.path().join("next.json");
    std::fs::write(&beside, set(&[key(new.0, &new.1)])).unwrap();
    std::fs::rename(&beside, &path).unwrap();
    eventually(&old_token, code("bad-token")).await;
    assert_eq!(app.read("a", &new_token).await, None);

    for broken in ["{", r#"{"keys":[]}"#] {
        std::fs::write(&path, broken).unwrap();
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert_eq!(app.read("a", &new_token).await, None, "a file that is broken changes nothing");
    }
    std::fs::remove_file(&path).unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(app.read("a", &new_token).await, None);
    std::fs::write(&path, set(&[key(old.0, old.1)])).unwrap();
    eventually(&old_token, None).await;
}

#[tokio::test(start_paused = true)]
async fn a_file_of_keys_that_cannot_be_used_is_refused_at_the_start() {
    for (text, expected) in [("[]", "is not a JSON Web Key Set"), (r#"{"keys":[]}"#, "has no key")] {
        let (_folder, path) = key_file(text);
        let err = Authenticator::new(&of_file(path)).unwrap_err();
        assert!(err.to_string().contains(expected), "{err}");
    }
    let nowhere = Authenticator::new(&of_file("/nowhere/keys.json".into())).unwrap_err();
    assert!(matches!(nowhere, AuthenticatorError::Keys(KeysError::Unreadable(_))));
    let weak = AuthConfig { jwt_secret_key: Some(Secret::new("hunter2")), ..AuthConfig::default() };
    let err = Authenticator::new(&weak).unwrap_err().to_string();
    assert!(err.contains("jwt_secret_key must have at least 32 characters") && !err.contains("hunter2"), "{err}");
}

#[tokio::test(start_paused = true)]
async fn a_cookie_may_hold_the_token() {
    let app = App::of_secret();
    let token = sign(&good());
    let status =
        async |headers: &[(HeaderName, String)]| app.get("/events/poll?topic=a", headers).await.status().as_u16();
    let with_token = cookie(&format!("theme=dark; access_token={token}"));
    assert_eq!(status(std::slice::from_ref(&with_token)).await, 200);
    assert_eq!(status(&[cookie(&format!("token={token}"))]).await, 401);
    assert_eq!(status(&[cookie("access_token=x")]).await, 401);
    // What was sent on purpose counts, and the cookie does not help.
    assert_eq!(status(&[with_token.clone(), bearer("x")]).await, 401);
    let named = App::new(AuthConfig { cookie_name: Some("session".into()), ..of_secret() });
    let session = cookie(&format!("session={token}"));
    assert_eq!(named.get("/events/poll?topic=a", &[session]).await.status(), StatusCode::OK);
    let off = App::new(AuthConfig { cookie_name: None, ..of_secret() });
    assert_eq!(off.get("/events/poll?topic=a", &[with_token]).await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test(start_paused = true)]
async fn public_topics_are_for_everybody_and_no_others() {
    let public_topics = vec![TopicPattern::parse("news/*").unwrap()];
    let app = App::new(AuthConfig { public_topics, ..of_secret() });
    let status = async |uri: &str, headers: &[(HeaderName, String)]| app.get(uri, headers).await.status().as_u16();
    assert_eq!(status("/events?topic=news/1", &[]).await, 200);
    assert_eq!(status("/events/poll?topic=news/1&topic=news/2", &[]).await, 200);
    assert_eq!(status("/events?topic=news/1&topic=a", &[]).await, 401);
    assert_eq!(status("/events?topic=news", &[]).await, 401);
    // A token that is not taken takes nothing away that everybody has.
    assert_eq!(status("/events?topic=news/1", &[bearer("x")]).await, 200);
    assert_eq!(status("/events?topic=news/1&topic=a", &[bearer(&sign(&good()))]).await, 200);
    let response = app.send(Request::post("/events?topic=news/1").body(Body::from("x")).unwrap()).await;
    assert_eq!(refusal(response).await, (401, "no-token".into()));
    assert_eq!(status("/events/health", &[bearer("x")]).await, 200);
    assert_eq!(status("/health/live", &[bearer("x")]).await, 200);
}

#[tokio::test(start_paused = true)]
async fn a_program_is_known_by_its_key() {
    // printf %s hwk_0 | sha256sum
    let hash = "sha256:ce1494df04ccb20fd9dd0c0abf31264f2757b6d69b9a90bce06d0784c9088f3c".parse().unwrap();
    let rights = Rights { publish: vec![TopicPattern::parse("jobs/*").unwrap()], admin: true, ..Rights::default() };
    let api_keys = vec![ApiKey { name: "worker".into(), hash, rights }];
    let app = App::new(AuthConfig { api_keys, ..AuthConfig::default() });
    let send = async |method: &str, uri: &str, key: &str, body: &str| {
        let (name, value) = bearer(key);
        let request = Request::builder().method(method).uri(uri).header(name, value);
        app.send(request.body(Body::from(body.to_owned())).unwrap()).await
    };
    assert_eq!(send("POST", "/events?topic=jobs/1", "hwk_0", "x").await.status(), StatusCode::OK);
    assert_eq!(refusal(send("POST", "/events?topic=a", "hwk_0", "x").await).await, (403, "topic-forbidden".into()));
    assert_eq!(refusal(send("POST", "/events?topic=jobs/1", "hwk_1", "x").await).await, (401, "bad-token".into()));
    assert_eq!(app.read("jobs/1", "hwk_0").await, code("topic-forbidden"));
    let off = r#"{"enabled":false}"#;
    assert_eq!(refusal(send("PUT", "/events/switch", "hwk_1", off).await).await, (401, "bad-token".into()));
    assert!(app.hub.is_enabled());
    assert_eq!(send("PUT", "/events/switch", "hwk_0", off).await.status(), StatusCode::OK);
    assert!(!app.hub.is_enabled());
}

#[tokio::test(start_paused = true)]
async fn a_ticket_opens_one_stream_for_whoever_got_it() {
    let app = App::of_secret();
    let ticket = async || {
        let response = app.ticket(&sign(&good())).await;
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
        let (status, body) = answer(response).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        let json: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(json["expires_in"], 30.0);
        json["ticket"].as_str().unwrap().to_owned()
    };
    let first = ticket().await;
    assert_ne!(first, ticket().await);
    let uri = format!("/events?topic=a&ticket={first}");
    let mut stream = Stream::of(app.get(&uri, &[]).await).opened().await;
    publish(&app.hub, "a", ["1"]).await;
    assert_eq!(stream.blocks().await, ["id: abc-1\ndata: 1"]);
    let again = app.get(&uri, &[]).await;
    assert_eq!(again.headers()[header::WWW_AUTHENTICATE], "Bearer realm=\"heartwire\"");
    assert_eq!(refusal(again).await, (401, "bad-ticket".into()));

    // It allows what its owner may do, and opens a stream alone.
    let uri = format!("/events?topic=b&ticket={}", ticket().await);
    assert_eq!(refusal(app.get(&uri, &[]).await).await, (403, "topic-forbidden".into()));
    let kept = ticket().await;
    assert_eq!(app.get(&format!("/events/poll?topic=a&ticket={kept}"), &[]).await.status(), StatusCode::BAD_REQUEST);
    let post = Request::post(format!("/events?topic=a&ticket={kept}")).body(Body::from("x")).unwrap();
    assert_eq!(app.send(post).await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(refusal(app.ticket(&kept).await).await, (401, "bad-token".into()), "it is no token");
    assert_eq!(app.get(&format!("/events?topic=a&ticket={kept}"), &[]).await.status(), StatusCode::OK);

    let late = ticket().await;
    tokio::time::advance(Duration::from_secs(30)).await;
    assert_eq!(
        refusal(app.get(&format!("/events?topic=a&ticket={late}"), &[]).await).await,
        (401, "bad-ticket".into())
    );
    for guess in ["", "0", &"0".repeat(64), &late.to_uppercase()] {
        let response = app.get(&format!("/events?topic=a&ticket={guess}"), &[]).await;
        assert_eq!(refusal(response).await, (401, "bad-ticket".into()), "{guess}");
    }
}

#[tokio::test(start_paused = true)]
async fn tickets_are_for_those_who_are_known_and_there_are_only_so_many() {
    let app = App::of_secret();
    let request = || Request::post("/events/ticket").body(Body::empty()).unwrap();
    assert_eq!(refusal(app.send(request()).await).await, (401, "no-token".into()));
    assert_eq!(refusal(app.ticket("x").await).await, (401, "bad-token".into()));
    let token = sign(&good());
    let mut n_tickets = 0;
    let refused = loop {
        let response = app.ticket(&token).await;
        if response.status() != StatusCode::OK {
            break response;
        }
        n_tickets += 1;
        assert!(n_tickets < 1_000, "there is no end");
    };
    assert!(refused.headers().contains_key(header::RETRY_AFTER));
    assert_eq!(refusal(refused).await, (503, "no-ticket".into()));
    // Nobody else has to do without.
    assert_eq!(app.ticket(&good_but(json!({"sub": "8"}))).await.status(), StatusCode::OK);
    tokio::time::advance(Duration::from_secs(30)).await;
    assert_eq!(app.ticket(&token).await.status(), StatusCode::OK);

    let open = heartwire::router(hub(HubConfig::default())).oneshot(request()).await.unwrap();
    assert_eq!(refusal(open).await, (404, "not-found".into()), "where access is open there is no use for one");
}

#[tokio::test(start_paused = true)]
async fn an_address_that_fails_too_often_is_not_listened_to_for_a_while() {
    let app = App::new(AuthConfig { lockout_failures: Some(3), ..of_secret() });
    let from = async |address: &str, token: &str| {
        let address: SocketAddr = format!("{address}:7").parse().unwrap();
        let (name, value) = bearer(token);
        let mut request = Request::get("/events/poll?topic=a").header(name, value).body(Body::empty()).unwrap();
        request.extensions_mut().insert(ConnectInfo(address));
        app.send(request).await
    };
    let (forged, token) = (sign_with(&[7; 32], None, &good()), sign(&good()));
    // Old or foreign tokens are no attempts to guess, however many there are.
    for harmless in [good_but(json!({"exp": now_s() - 60})), sign_with(SECRET.as_bytes(), Some("new"), &good())] {
        for _ in 0..10 {
            assert_eq!(from("192.0.2.1", &harmless).await.status(), StatusCode::UNAUTHORIZED);
        }
    }
    for attempt in [forged.as_str(), "nonsense", "hwk_0"] {
        assert_eq!(from("192.0.2.1", &token).await.status(), StatusCode::OK);
        assert_eq!(refusal(from("192.0.2.1", attempt).await).await, (401, "bad-token".into()));
    }
    let locked_out = from("192.0.2.1", &token).await;
    let retry_after: u64 = locked_out.headers()[header::RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!((300..=301).contains(&retry_after), "{retry_after}");
    assert_eq!(refusal(locked_out).await, (429, "locked-out".into()));
    assert_eq!(from("192.0.2.2", &token).await.status(), StatusCode::OK, "another address is another's");
    tokio::time::advance(Duration::from_secs(301)).await;
    assert_eq!(from("192.0.2.1", &token).await.status(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_stream_says_when_its_token_expires_and_ends_with_it() {
    let app = App::new(AuthConfig { jwt_leeway: Duration::ZERO, ..of_secret() });
    let response = app.get("/events?topic=a", &[bearer(&sign(&good()))]).await;
    let begin = tokio::time::Instant::now();
    let mut stream = Stream::of(response).opened().await;
    publish(&app.hub, "a", ["1"]).await;
    assert_eq!(stream.blocks().await, ["id: abc-1\ndata: 1"]);
    let mut blocks = Vec::new();
    let mut told_after = Duration::ZERO;
    while let Some(block) = stream.block().await {
        if block.contains("event: expiring") {
            told_after = begin.elapsed();
        }
        blocks.push(block);
    }
    blocks.retain(|block| !block.contains("event: heartbeat"));
    let [expiring, retry, closing] = &blocks[..] else { panic!("{blocks:?}") };
    assert!((568..=570).contains(&told_after.as_secs()), "{told_after:?}");
    let (head, left) = expiring.split_once("{\"expires_in_ms\":").unwrap();
    assert_eq!(head, "id: abc-1\nevent: expiring\ndata: ");
    let left_ms: u64 = left.trim_end_matches('}').parse().unwrap();
    assert!((29_900..=30_000).contains(&left_ms), "{left_ms}");
    assert_eq!(retry, "retry: R");
    assert_eq!(closing, "id: abc-1\nevent: closing\ndata: {\"reason\":\"token-expired\",\"retry_ms\":R}");
    assert!((598..=600).contains(&begin.elapsed().as_secs()), "{:?}", begin.elapsed());
    assert_eq!(app.hub.active_connections(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_a_ticket_ends_with_the_token_that_got_it() {
    let app = App::new(AuthConfig { jwt_leeway: Duration::ZERO, ..of_secret() });
    let (_, body) = answer(app.ticket(&sign(&good())).await).await;
    let ticket: Value = serde_json::from_str(&body).unwrap();
    let uri = format!("/events?topic=a&ticket={}", ticket["ticket"].as_str().unwrap());
    let blocks = Stream::of(app.get(&uri, &[]).await).opened().await.rest().await;
    assert!(blocks.last().unwrap().contains("\"reason\":\"token-expired\""), "{blocks:?}");
}

#[tokio::test(start_paused = true)]
async fn a_poll_is_held_back_no_longer_than_its_token_is_good() {
    let app = App::new(AuthConfig { jwt_leeway: Duration::ZERO, ..of_secret() });
    let begin = tokio::time::Instant::now();
    let token = good_but(json!({"exp": now_s() + 3}));
    let response = app.get("/events/poll?topic=a&cursor=abc-0&wait=30", &[bearer(&token)]).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(begin.elapsed() <= Duration::from_secs(3), "{:?}", begin.elapsed());
}
