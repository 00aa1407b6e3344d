//! Who a page is: a token in a cookie or from a callback, a ticket, and what happens when a token expires.

use crate::page::{RECORDER, payload};
use anyhow::{Result, ensure};
use heartwire_tests::server::{Server, folder_with_page, heartwire};
use heartwire_tests::{Browser, eventually, examples};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

const SECRET: &str = "the secret of these stories, 32 characters and more";
/// Long enough for a page to load and to be warned a second before the end, and not longer than a story should take.
const SHORT_S: u64 = 5;
const LONG_S: u64 = 600;
/// The pages' own scripts, and requests to wherever a story is told.
const POLICY: &str = "script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval'; connect-src *";

/// A token for all topics that is good for so many seconds.
async fn token(ttl_s: u64) -> Result<String> {
    let mut command = heartwire()?;
    command.args(["token", "--sub", "ann", "--read", "*", "--publish", "*", "--ttl", &ttl_s.to_string()]);
    let output = command.env("HEARTWIRE_JWT_SECRET_KEY", SECRET).output().await?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
}

/// A hub that asks who somebody is, and believes no clock but its own.
async fn hub(settings: &[&str]) -> Result<Server> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("hub.toml");
    std::fs::write(&file, format!("jwt_secret_key = \"{SECRET}\"\njwt_leeway = 0\n"))?;
    let file = file.display().to_string();
    let server = Server::start(&[&["--config", &file], settings].concat()).await?;
    server.with_token(&token(LONG_S).await?)
}

/// Such a hub that serves the recorder's page as well, which is loaded.
async fn hub_with_page(browser: &Browser) -> Result<(Server, TempDir)> {
    let folder = folder_with_page(RECORDER)?;
    let www = folder.path().display().to_string();
    let hub = hub(&["--www", &www, "--content-security-policy", POLICY]).await?;
    browser.open(&hub.url("/")).await?;
    browser.wait_for("window.ready").await?;
    Ok((hub, folder))
}

/// Such a hub, and a page of another origin that may use it, which is loaded.
async fn hub_and_foreign_page(browser: &Browser, settings: &[&str]) -> Result<(Server, Server, TempDir)> {
    let folder = folder_with_page(RECORDER)?;
    let www = folder.path().display().to_string();
    let pages = Server::start(&["--www", &www, "--content-security-policy", POLICY]).await?;
    let hub = hub(&[&["--allow-origins", &pages.url("")], settings].concat()).await?;
    browser.open(&pages.url("/")).await?;
    browser.wait_for("window.ready").await?;
    Ok((hub, pages, folder))
}

/// A back end that knows its people: whoever posts to it gets a cookie that scripts cannot read, with a fresh token.
///
/// It is another port of the hub's host, and to cookies the ports of a host are one.
struct BackEnd {
    url: String,
    n_posts: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl BackEnd {
    /// Its first token is good for so many seconds, and those after it are for [`LONG_S`].
    async fn start(first_ttl_s: u64) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let n_posts = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&n_posts);
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                // In a task of its own, since a browser opens connections that it never uses.
                tokio::spawn(answer_post(socket, Arc::clone(&counted), first_ttl_s));
            }
        });
        Ok(Self { url, n_posts, task })
    }

    /// The page logs in, as it did before it was loaded in earnest.
    async fn log_in(&self, browser: &Browser) -> Result<()> {
        let post = format!("fetch('{}', {{ method: 'POST', mode: 'no-cors', credentials: 'include' }})", self.url);
        browser.run(&format!("{post}.then(() => (window.loggedIn = true))")).await?;
        browser.wait_for("window.loggedIn").await?;
        ensure!(browser.run("return document.cookie").await? == "", "no script can read the cookie");
        Ok(())
    }
}

impl Drop for BackEnd {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer_post(mut socket: TcpStream, n_posts: Arc<AtomicU64>, first_ttl_s: u64) -> Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if socket.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let ttl_s = if n_posts.fetch_add(1, Ordering::Relaxed) == 0 { first_ttl_s } else { LONG_S };
    let cookie = format!("access_token={}; Path=/; HttpOnly; SameSite=Lax", token(ttl_s).await?);
    let answer = format!("HTTP/1.1 204 No Content\r\nSet-Cookie: {cookie}\r\nConnection: close\r\n\r\n");
    socket.write_all(answer.as_bytes()).await?;
    Ok(())
}

/// Runs a module in the page, such as an example of docs/identity.md, with what those take for granted. What it shows
/// is in `shown`.
async fn run_module(browser: &Browser, code: &str) -> Result<()> {
    let module = format!(
        "import {{ EventStream }} from './heartwire/dist/heartwire.js'; \
         window.shown = []; const show = (id, data) => window.shown.push(data);\n{code}"
    );
    let script = format!("{{ type: 'module', textContent: {} }}", json!(module));
    browser.run(&format!("document.head.append(Object.assign(document.createElement('script'), {script}))")).await?;
    Ok(())
}

/// Put behind an example that makes `stream`: keeps in `story` what happens to the link, tries aside.
const FOLLOW: &str = "\
    window.story = []; \
    stream.onmessage = ({ lastEventId, data }) => show(lastEventId, data); \
    stream.addEventListener('gap', () => window.story.push('gap')); \
    stream.addEventListener('expiring', () => window.story.push('expiring')); \
    stream.addEventListener('state', ({ state, reason }) => { \
      if (state !== 'connecting') window.story.push(reason ? `${state} ${reason}` : state); \
    });";

pub(crate) async fn a_token_in_a_cookie_opens_a_stream(browser: &Browser) -> Result<()> {
    let (hub, _folder) = hub_with_page(browser).await?;
    let back_end = BackEnd::start(LONG_S).await?;
    hub.publish("t", &payload(0)).await?;
    let open = |name: &str| {
        format!(
            "window.{name} = new EventSource('events?topic=t&from=earliest'); \
             {name}.onmessage = ({{ data }}) => ({name}.data = data);"
        )
    };
    browser.run(&open("stranger")).await?;
    browser.wait_for("stranger.readyState === 2").await?;
    back_end.log_in(browser).await?;
    browser.run(&open("guest")).await?;
    browser.wait_for("guest.data").await?;
    ensure!(browser.run("return stranger.data ?? 'nothing'").await? == "nothing");
    browser.run("guest.close()").await?;
    for options in ["", ", transport: 'fetch'"] {
        browser.run(&format!("window.seen = 0; record({{ topics: 't', from: 'earliest'{options} }})")).await?;
        browser.wait_for("window.seen === 1 && stream.readyState === 1").await?;
        browser.run("stream.close()").await?;
    }
    ensure!(browser.run("return window.wrong.length").await? == 0);
    Ok(())
}

pub(crate) async fn a_cookie_that_is_refreshed_in_time_carries_the_page_over_the_end_of_its_token(
    browser: &Browser,
) -> Result<()> {
    let (hub, _folder) = hub_with_page(browser).await?;
    let back_end = BackEnd::start(SHORT_S).await?;
    back_end.log_in(browser).await?;
    // The example's back end is behind the same address as its hub.
    let fetch = format!(
        "const fetch = (path, options) => \
           window.fetch('{}' + path, {{ ...options, mode: 'no-cors', credentials: 'include' }});",
        back_end.url
    );
    run_module(browser, &format!("{fetch}\n{}\n{FOLLOW}", examples::of_identity("js", "onexpiring")?)).await?;
    browser.wait_for("window.story?.includes('open')").await?;
    hub.publish("orders", "before").await?;
    browser.wait_for("story.includes('expiring')").await?;
    eventually("the cookie is refreshed", async || Ok((back_end.n_posts.load(Ordering::Relaxed) == 2).then_some(())))
        .await?;
    hub.publish("orders", "between").await?;
    browser.wait_for("story.includes('waiting token-expired')").await?;
    hub.publish("orders", "after").await?;
    browser.wait_for("shown.length >= 3 && story.at(-1) === 'open'").await?;
    ensure!(browser.run("return shown").await? == json!(["before", "between", "after"]));
    let story = browser.run("return story").await?;
    ensure!(story == json!(["open", "expiring", "waiting token-expired", "open"]), "{story}");
    Ok(())
}

pub(crate) async fn fresh_tokens_carry_a_page_over_the_end_of_one_unnoticed(browser: &Browser) -> Result<()> {
    let (hub, _folder) = hub_with_page(browser).await?;
    let long = token(LONG_S).await?;
    let short = token(SHORT_S).await?;
    let ends_at_ms = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() + u128::from(1_000 * SHORT_S);
    // The first token is for the first request.
    let session = format!(
        "window.asked = 0; const session = async () => ({{ accessToken: window.asked++ ? '{long}' : '{short}' }});"
    );
    run_module(browser, &format!("{session}\n{}\n{FOLLOW}", examples::of_identity("js", "await session()")?)).await?;
    browser.wait_for("window.story?.includes('open')").await?;
    hub.publish("orders", "before").await?;
    browser.wait_for("window.asked >= 2").await?;
    hub.publish("orders", "between").await?;
    browser.wait_for(&format!("Date.now() > {ends_at_ms}")).await?;
    hub.publish("orders", "after").await?;
    browser.wait_for("shown.length >= 3").await?;
    ensure!(browser.run("return shown").await? == json!(["before", "between", "after"]));
    let story = browser.run("return story").await?;
    ensure!(story == json!(["open", "expiring"]), "{story}");
    Ok(())
}

pub(crate) async fn a_ticket_opens_one_stream_of_another_origin_and_no_more(browser: &Browser) -> Result<()> {
    let (hub, _pages, _folder) = hub_and_foreign_page(browser, &[]).await?;
    let (url, token) = (hub.url("/events"), token(LONG_S).await?);
    run_module(
        browser,
        &format!(
            "const headers = {{ authorization: 'Bearer {token}' }}; \
             const answer = await fetch('{url}/ticket', {{ method: 'POST', headers }}); \
             const {{ ticket }} = await answer.json(); \
             window.openStream = () => new EventSource(`{url}?topic=t&ticket=${{ticket}}`); \
             window.first = openStream(); \
             first.onmessage = ({{ lastEventId, data }}) => show(lastEventId, data);"
        ),
    )
    .await?;
    browser.wait_for("window.first?.readyState === 1").await?;
    browser.run("window.second = openStream()").await?;
    browser.wait_for("second.readyState === 2").await?;
    hub.publish("t", "for one").await?;
    browser.wait_for("shown.length === 1 && first.readyState === 1").await?;
    ensure!(hub.active_connections().await? == 1);
    // Nor is anybody let in who has none.
    browser.run(&format!("window.third = new EventSource('{url}?topic=t')")).await?;
    browser.wait_for("third.readyState === 2").await?;
    Ok(())
}

pub(crate) async fn a_page_of_another_origin_goes_on_with_another_ticket(browser: &Browser) -> Result<()> {
    let (hub, _pages, _folder) = hub_and_foreign_page(browser, &["--connection-timeout", "3"]).await?;
    let example = examples::of_identity("js", "/events/ticket")?.replace("https://hub.example", &hub.url(""));
    // It comes back as soon as it can.
    let taken_for_granted =
        format!("Math.random = () => 0; const accessToken = async () => '{}';", token(LONG_S).await?);
    run_module(browser, &format!("{taken_for_granted}\n{example}\nopen();")).await?;
    let has_streams = async |n_streams: u64| {
        eventually(&format!("{n_streams} streams"), async || {
            Ok((hub.active_connections().await? == n_streams).then_some(()))
        })
        .await
    };
    has_streams(1).await?;
    hub.publish("orders", "before").await?;
    browser.wait_for("shown.length === 1").await?;
    has_streams(0).await?;
    hub.publish("orders", "between").await?;
    has_streams(1).await?;
    hub.publish("orders", "after").await?;
    browser.wait_for("shown.length >= 3").await?;
    ensure!(browser.run("return shown").await? == json!(["before", "between", "after"]));
    Ok(())
}
