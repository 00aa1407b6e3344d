//! What browsers themselves enforce: other origins, TLS, the policy for pages.

use crate::page::{RECORDER, payload};
use anyhow::{Result, ensure};
use heartwire_tests::Browser;
use heartwire_tests::server::{Server, certificate, folder_with_page};
use tempfile::TempDir;

/// A server of a page that may reach any other server.
async fn page_server() -> Result<(Server, TempDir)> {
    let folder = folder_with_page(RECORDER)?;
    let www = folder.path().display().to_string();
    let policy = "script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval'; connect-src *";
    Ok((Server::start(&["--www", &www, "--content-security-policy", policy]).await?, folder))
}

pub(crate) async fn a_page_of_an_allowed_origin_reads_and_publishes(browser: &Browser) -> Result<()> {
    let (pages, _folder) = page_server().await?;
    let origin = pages.url("");
    let hub = Server::start(&["--allow-origins", &origin]).await?;
    browser.open(&pages.url("/")).await?;
    browser.wait_for("window.ready").await?;
    let url = hub.url("/events");
    hub.publish_all("t", &[payload(0)]).await?;

    // By EventSource, with cookies; then by fetch, whose headers the browser asks leave for first.
    for options in
        ["withCredentials: true", "headers: { authorization: 'Bearer x', 'x-tenant': '7' }, lastEventIdHeader: true"]
    {
        browser.run("window.seen = 0").await?;
        browser.run(&format!("record({{ topics: 't', from: 'earliest', {options} }}, '{url}')")).await?;
        browser.wait_for("window.seen === 1 && stream.readyState === 1").await?;
        ensure!(browser.run("return window.wrong.length").await? == 0);
        browser.run("stream.close()").await?;
    }
    let post = format!("fetch('{url}?topic=posts', {{ method: 'POST', body: 'from afar' }})");
    browser.run(&format!("{post}.then((answer) => (window.posted = answer.status))")).await?;
    browser.wait_for("window.posted === 200").await?;
    let (_, polled) = hub.get("/events/poll?topic=posts&from=earliest").await?;
    ensure!(polled.contains("from afar"), "{polled}");
    Ok(())
}

pub(crate) async fn a_page_of_any_other_origin_is_kept_out(browser: &Browser) -> Result<()> {
    let (pages, _folder) = page_server().await?;
    let hub = Server::start(&["--allow-origins", "https://app.example"]).await?;
    browser.open(&pages.url("/")).await?;
    browser.wait_for("window.ready").await?;
    let url = hub.url("/events");
    // Without a preflight, so that the request really arrives.
    let post = format!("fetch('{url}?topic=posts', {{ method: 'POST', mode: 'no-cors', body: 'x' }})");
    browser.run(&format!("{post}.then(() => (window.posted = true))")).await?;
    browser.wait_for("window.posted").await?;
    let read = format!("fetch('{}')", hub.url("/events/poll?topic=posts&from=earliest"));
    browser.run(&format!("{read}.then(() => (window.read = 'read'), () => (window.read = 'refused'))")).await?;
    ensure!(browser.wait_for("window.read").await? == "refused");
    browser.run(&format!("record({{ topics: 'posts', maxReconnectAttempts: 0, polling: false }}, '{url}')")).await?;
    browser.wait_for("stream.readyState === 2").await?;
    let (_, polled) = hub.get("/events/poll?topic=posts&from=earliest").await?;
    ensure!(polled.contains("\"events\":[]"), "nothing was published: {polled}");
    Ok(())
}

pub(crate) async fn over_tls_a_page_has_more_streams_than_http_1_would_let_it(browser: &Browser) -> Result<()> {
    /// HTTP/1.1 has six.
    const N_STREAMS: usize = 12;
    let folder = folder_with_page(RECORDER)?;
    let made = certificate()?;
    let [www, cert, key] = [folder.path().to_owned(), made.path().join("cert.pem"), made.path().join("key.pem")]
        .map(|path| path.display().to_string());
    let server = Server::start(&["--www", &www, "--tls-cert", &cert, "--tls-key", &key]).await?;
    browser.open(&server.url("/")).await?;
    browser.wait_for("window.ready").await?;
    browser
        .run(&format!(
            "Object.assign(window, {{ got: [], connected: 0 }}); \
             for (let n = 0; n < {N_STREAMS}; n += 1) {{ \
               const stream = new EventSource('events?topic=t'); \
               stream.onmessage = ({{ data }}) => window.got.push(data); \
               stream.addEventListener('connected', () => (window.connected += 1)); \
             }}"
        ))
        .await?;
    browser.wait_for(&format!("window.connected === {N_STREAMS}")).await?;
    browser.run("fetch('events?topic=t', { method: 'POST', body: 'x' })").await?;
    browser.wait_for(&format!("window.got.length === {N_STREAMS}")).await?;
    let protocol = "performance.getEntriesByType('navigation')[0].nextHopProtocol";
    ensure!(browser.run(&format!("return {protocol}")).await? == "h2");

    browser.run("record({ topics: 'u', from: 'earliest' })").await?;
    let post = format!("fetch('events?topic=u', {{ method: 'POST', body: {} }})", serde_json::json!(payload(0)));
    browser.run(&post).await?;
    browser.wait_for("window.seen === 1").await?;
    Ok(())
}

pub(crate) async fn a_page_runs_under_a_policy_without_inline_scripts(browser: &Browser) -> Result<()> {
    let folder = folder_with_page(
        "<!doctype html><meta charset=utf-8><title>strict</title><script type=module src=page.js></script>",
    )?;
    let page = "import { EventStream } from './heartwire/dist/heartwire.js'; \
        const stream = new EventStream('events', { topics: 't', from: 'earliest' }); \
        stream.onmessage = ({ data }) => document.body.append(data); \
        stream.onerror = ({ code }) => document.body.append(`error ${code}`); \
        document.body.innerHTML = '<img src=x onerror=\"document.title = `injected`\">';";
    std::fs::write(folder.path().join("page.js"), page)?;
    let policy = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'";
    let www = folder.path().display().to_string();
    let server = Server::start(&["--www", &www, "--content-security-policy", policy]).await?;
    server.publish("t", "under a policy").await?;
    browser.open(&server.url("/")).await?;
    browser.wait_for("document.body.innerText.includes('under a policy')").await?;
    ensure!(browser.run("return document.title").await? == "strict", "an injected script ran");
    Ok(())
}
