//! The life of a page: sleep, another tab, the back button, a freeze, a reload.

use crate::page::strings;
use crate::stories::{Stage, saw_exactly};
use anyhow::{Context, Result, ensure};
use heartwire_tests::{Browser, eventually};
use serde_json::json;
use tokio::process::Command;

async fn signal(stage: &Stage, signal: &str) -> Result<()> {
    let pid = stage.server.pid().context("the server runs")?.to_string();
    ensure!(Command::new("kill").args([signal, &pid]).status().await?.success(), "kill {signal} {pid}");
    Ok(())
}

async fn has_streams(stage: &Stage, n: u64) -> Result<()> {
    eventually(&format!("{n} streams at the server"), async || {
        Ok((stage.server.active_connections().await? == n).then_some(()))
    })
    .await
}

pub(crate) async fn a_link_that_died_in_the_machines_sleep_is_noticed_within_a_second_of_waking(
    browser: &Browser,
) -> Result<()> {
    // The server's heartbeats come every fifteen seconds, so that by silence alone it would take much longer.
    let stage = Stage::set(browser, &[]).await?;
    browser.run("record({ topics: 't', baseReconnectDelay: 50, connectTimeout: 1000 })").await?;
    browser.wait_for("stream.readyState === 1").await?;
    stage.publish(0, 3).await?;
    saw_exactly(browser, 3).await?;

    signal(&stage, "-STOP").await?;
    // What a machine's sleep looks like from within: the wall clock jumps ahead of the other one.
    browser
        .run(
            "const { Date } = window; const now = Date.now; Date.now = () => now() + 3600_000; const woke = performance.now(); \
             stream.addEventListener('state', ({ reason }) => { \
               if (reason === 'slept') window.noticedAfter = performance.now() - woke; })",
        )
        .await?;
    let noticed_after = browser.wait_for("window.noticedAfter").await?;
    signal(&stage, "-CONT").await?;
    // Far below the limit for silence, which is 22.5 s, on a machine however busy.
    ensure!(noticed_after.as_f64().is_some_and(|ms| ms < 10_000.0), "noticed after {noticed_after} ms");

    stage.publish(3, 6).await?;
    saw_exactly(browser, 6).await?;
    browser.wait_for("stream.state === 'open'").await?;
    Ok(())
}

pub(crate) async fn nothing_reconnects_because_another_tab_is_looked_at(browser: &Browser) -> Result<()> {
    let stage = Stage::set(browser, &["--heartbeat-interval", "1"]).await?;
    browser.run("record({ topics: 't' })").await?;
    browser.wait_for("stream.readyState === 1").await?;
    let first = browser.tab().await?;
    browser.new_tab().await?;
    browser.open(&stage.link.url("/")).await?;
    stage.publish(0, 3).await?;
    browser.switch_to(&first).await?;
    browser.wait_for("window.heartbeats >= 4").await?;
    saw_exactly(browser, 3).await?;
    ensure!(browser.run("return stream.metrics().attempts").await? == 1);
    ensure!(browser.run("return window.story").await? == json!(["connecting", "open"]));
    Ok(())
}

/// The browser's own events, since whether it keeps a page is its own affair.
pub(crate) async fn a_page_that_is_kept_for_the_back_button_goes_on_where_it_was(browser: &Browser) -> Result<()> {
    let stage = Stage::set(browser, &[]).await?;
    browser.run("record({ topics: 't' })").await?;
    browser.wait_for("stream.readyState === 1").await?;
    stage.publish(0, 3).await?;
    saw_exactly(browser, 3).await?;

    browser.run("dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))").await?;
    has_streams(&stage, 0).await?;
    stage.publish(3, 6).await?;
    ensure!(browser.run("return window.seen").await? == 3);
    browser.run("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))").await?;
    saw_exactly(browser, 6).await?;
    let story = browser.run("return window.story").await?;
    ensure!(strings(&story).contains(&"waiting slept"), "{story}");
    Ok(())
}

pub(crate) async fn a_page_goes_on_after_a_real_walk_there_and_back(browser: &Browser) -> Result<()> {
    let stage = Stage::set(browser, &[]).await?;
    browser.run("record({ topics: 't', persist: 'session' })").await?;
    browser.wait_for("stream.readyState === 1").await?;
    stage.publish(0, 3).await?;
    saw_exactly(browser, 3).await?;
    browser.open(&stage.link.url("/events/health")).await?;
    has_streams(&stage, 0).await?;
    stage.publish(3, 6).await?;

    browser.back().await?;
    browser.wait_for("window.ready").await?;
    if browser.run("return !window.stream").await? == true {
        // The browser has loaded it anew.
        browser.run("window.seen = 3; record({ topics: 't', persist: 'session' })").await?;
    }
    saw_exactly(browser, 6).await
}

pub(crate) async fn a_frozen_page_lets_go_of_its_stream_and_goes_on_where_it_was(browser: &Browser) -> Result<()> {
    let stage = Stage::set(browser, &[]).await?;
    browser.run("record({ topics: 't' })").await?;
    browser.wait_for("stream.readyState === 1").await?;
    browser.devtools("Page.setWebLifecycleState", json!({ "state": "frozen" })).await?;
    has_streams(&stage, 0).await?;
    stage.publish(0, 3).await?;
    browser.devtools("Page.setWebLifecycleState", json!({ "state": "active" })).await?;
    saw_exactly(browser, 3).await?;
    Ok(())
}

pub(crate) async fn a_resume_point_survives_a_reload(browser: &Browser) -> Result<()> {
    let stage = Stage::set(browser, &[]).await?;
    let record = "record({ topics: 't', persist: 'session' })";
    browser.run(record).await?;
    browser.wait_for("stream.readyState === 1").await?;
    stage.publish(0, 3).await?;
    saw_exactly(browser, 3).await?;

    browser.reload().await?;
    browser.wait_for("window.ready").await?;
    stage.publish(3, 6).await?;
    browser.run(&format!("window.seen = 3; {record}")).await?;
    saw_exactly(browser, 6).await?;

    // Rubbish is nothing to begin after.
    browser
        .run("stream.close(); for (const key of Object.keys(sessionStorage)) sessionStorage[key] = 'rubbish'")
        .await?;
    browser.run(&format!("window.story = []; {record}")).await?;
    browser.wait_for("stream.readyState === 1").await?;
    stage.publish(6, 7).await?;
    saw_exactly(browser, 7).await?;
    ensure!(browser.run("return window.story").await? == json!(["connecting", "open"]), "and no gap is told");
    Ok(())
}
