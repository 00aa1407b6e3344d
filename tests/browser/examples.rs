//! The examples of the package, and what a page may do to it on its way out.

use anyhow::{Result, ensure};
use heartwire_tests::server::{Server, folder_with_page};
use heartwire_tests::{Browser, eventually};
use std::fs;
use std::path::Path;

pub(crate) async fn the_download_manager_shows_a_download_the_queue_and_the_figures(browser: &Browser) -> Result<()> {
    let (server, _folder) = download_manager().await?;
    server.publish("download-7&type=progress", r#"{"percent":20}"#).await?;
    browser.open(&server.url("/")).await?;
    browser.wait_for("document.body.innerText.includes('20 %')").await?;
    browser.wait_for("document.body.innerText.includes('open, open, open')").await?;
    browser.wait_for("document.body.innerText.includes('old: waiting')").await?;
    server.publish("queue&type=status", r#"{"id":"7","status":"loading"}"#).await?;
    server.publish("queue&type=removed", r#"{"id":"old"}"#).await?;
    server.publish("analytics&type=figures", r#"{"downloads":3,"bytes":4096}"#).await?;
    browser.wait_for("document.getElementById('queue').innerText.trim() === '7: loading'").await?;
    browser.wait_for("document.body.innerText.includes('3 downloads, 4096 bytes')").await?;
    ensure!(browser.run("return streams.every((stream) => stream.metrics().polls === 0)").await? == true);
    server.publish("download-7&type=done", r#"{"file":"seven.iso"}"#).await?;
    browser.wait_for("document.body.innerText.includes('done: seven.iso')").await?;
    browser.wait_for("document.body.innerText.includes('closed, open, open')").await?;
    Ok(())
}

pub(crate) async fn the_download_manager_polls_for_those_who_are_not_rolled_out(browser: &Browser) -> Result<()> {
    let (server, _folder) = download_manager().await?;
    browser.open(&server.url("/?rollout=0")).await?;
    browser.wait_for("document.body.innerText.includes('polling, polling, polling')").await?;
    // The queue is waited for, so that it moves at once; the download is asked for every two seconds.
    browser.wait_for("document.body.innerText.includes('old: waiting')").await?;
    server.publish("queue&type=status", r#"{"id":"7","status":"loading"}"#).await?;
    browser.wait_for("document.body.innerText.includes('7: loading')").await?;
    server.publish("download-7&type=done", r#"{"file":"seven.iso"}"#).await?;
    browser.wait_for("document.body.innerText.includes('done: seven.iso')").await?;
    let polls = browser.run("return streams.map((stream) => stream.metrics().polls)").await?;
    ensure!(polls[2] == 1, "the figures are asked for every thirty seconds: {polls}");
    ensure!(browser.run("return streams.every((stream) => stream.metrics().attempts === 0)").await? == true);
    Ok(())
}

/// A page that makes a stream while it is left.
const LEAVING: &str = "<!doctype html><meta charset=utf-8><title>leaving</title><script type=module>\
    import { EventStream } from './heartwire/dist/heartwire.js';\
    const early = new EventStream('events', { topics: 't' });\
    early.onopen = () => { window.ready = true; };\
    for (const type of ['beforeunload', 'pagehide', 'unload']) {\
      addEventListener(type, () => {\
        try {\
          const late = new EventStream('events', { topics: 't', transport: type === 'unload' ? 'fetch' : undefined });\
          sessionStorage[type] = late.readyState;\
        } catch (error) {\
          sessionStorage[type] = error;\
        }\
      });\
    }\
    </script>";

pub(crate) async fn a_stream_that_is_made_while_the_page_is_left_throws_nothing_and_stays_nowhere(
    browser: &Browser,
) -> Result<()> {
    let folder = folder_with_page(LEAVING)?;
    fs::write(folder.path().join("next.html"), "<!doctype html><title>next</title>")?;
    let server = Server::start(&["--www", &folder.path().display().to_string()]).await?;
    browser.open(&server.url("/")).await?;
    browser.wait_for("window.ready").await?;
    browser.open(&server.url("/next.html")).await?;
    let told = browser.run("return [sessionStorage.beforeunload, sessionStorage.pagehide]").await?;
    ensure!(told == serde_json::json!(["0", "0"]), "each was connecting, and none threw: {told}");
    ensure!(browser.run("return sessionStorage.unload ?? '0'").await? == "0", "where there still is such an event");
    eventually("no stream outlives its page", async || {
        let (_, body) = server.get("/events/health").await?;
        Ok(body.contains("\"active_connections\":0").then_some(()))
    })
    .await
}

/// A server that serves the example, and the folder with it.
async fn download_manager() -> Result<(Server, tempfile::TempDir)> {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../client-wasm/js/examples");
    let folder = folder_with_page(&fs::read_to_string(examples.join("downloads.html"))?)?;
    for name in ["analytics.js", "download.js", "queue.js", "rollout.js"] {
        fs::copy(examples.join(name), folder.path().join(name))?;
    }
    let server = Server::start(&["--www", &folder.path().display().to_string()]).await?;
    Ok((server, folder))
}
