//! Many tabs, one stream.

use crate::stories::{Stage, saw_exactly};
use anyhow::{Result, ensure};
use heartwire_tests::{Browser, BrowserKind, Tab, eventually};
use serde_json::{Value, json};

const RECORD: &str = "record({ topics: 't', shared: true })";

/// Opens so many tabs, the first one of which is there already; each has its stream open.
async fn open_tabs(browser: &Browser, stage: &Stage, n: usize) -> Result<Vec<Tab>> {
    let mut tabs = Vec::new();
    for i in 0..n {
        tabs.push(if i == 0 { browser.tab().await? } else { browser.new_tab().await? });
        browser.open(&stage.link.url("/")).await?;
        browser.wait_for("window.ready").await?;
        browser.run(RECORD).await?;
        browser.wait_for("stream.state === 'open'").await?;
    }
    Ok(tabs)
}

async fn all_saw_exactly(browser: &Browser, tabs: &[Tab], n_events: u64) -> Result<()> {
    for tab in tabs {
        browser.switch_to(tab).await?;
        saw_exactly(browser, n_events).await?;
        ensure!(
            browser.run("return window.story.filter((line) => line.startsWith('gap'))").await? == json!([]),
            "nothing was missed"
        );
    }
    Ok(())
}

async fn one_stream(stage: &Stage) -> Result<()> {
    eventually("one stream for all of them", async || Ok((stage.server.active_connections().await? == 1).then_some(())))
        .await
}

pub(crate) async fn twenty_tabs_have_one_stream_and_all_of_them_load(browser: &Browser) -> Result<()> {
    const N_TABS: usize = 20;
    let stage = Stage::set(browser, &[]).await?;
    let tabs = open_tabs(browser, &stage, N_TABS).await?;
    ensure!(stage.server.active_connections().await? == 1, "one stream, and never another");
    stage.publish(0, 2_000).await?;
    all_saw_exactly(browser, &tabs, 2_000).await?;
    ensure!(stage.server.active_connections().await? == 1);

    let mut slowest = 0.0_f64;
    for tab in &tabs {
        browser.switch_to(tab).await?;
        let script =
            "const [page] = performance.getEntriesByType('navigation'); return page.loadEventEnd - page.startTime";
        slowest = slowest.max(browser.run(script).await?.as_f64().unwrap_or(f64::INFINITY));
    }
    ensure!(slowest.is_finite(), "the slowest of {N_TABS} tabs was loaded after {slowest} ms");

    // What one tab does to its own stream is nothing to the others.
    browser.switch_to(&tabs[5]).await?;
    browser.run("stream.close()").await?;
    stage.publish(2_000, 2_100).await?;
    all_saw_exactly(browser, &tabs[6..8], 2_100).await?;
    browser.switch_to(&tabs[5]).await?;
    ensure!(browser.run("return window.seen").await? == 2_000);
    Ok(())
}

pub(crate) async fn when_the_leader_goes_another_tab_takes_over_and_nothing_is_lost_or_doubled(
    browser: &Browser,
) -> Result<()> {
    const BATCH: u64 = 1_000;
    let stage = Stage::set(browser, &[]).await?;
    let mut tabs = open_tabs(browser, &stage, 5).await?;
    let mut published = 0;
    // Each time the one that has been there for longest leads.
    while tabs.len() > 1 {
        let leader = tabs.remove(0);
        browser.switch_to(&leader).await?;
        let publish = stage.publish(published, published + BATCH);
        let crash = browser.kind() == BrowserKind::Chromium && tabs.len() % 2 == 0;
        let leave = async {
            browser.wait_for(&format!("window.seen > {published}")).await?;
            if crash {
                // It answers with an error, having crashed.
                let _ = browser.devtools("Page.crash", json!({})).await;
                return Ok(());
            }
            browser.close_tab().await
        };
        let (publish, leave) = tokio::join!(publish, leave);
        publish?;
        leave?;
        published += BATCH;
        all_saw_exactly(browser, &tabs, published).await?;
        one_stream(&stage).await?;
    }
    Ok(())
}

pub(crate) async fn a_leader_that_hangs_is_replaced_and_comes_back_without_doubles(browser: &Browser) -> Result<()> {
    let stage = Stage::set(browser, &["--heartbeat-interval", "60"]).await?;
    let tabs = open_tabs(browser, &stage, 3).await?;
    browser.switch_to(&tabs[0]).await?;
    browser
        .run("setTimeout(() => { const end = Date.now() + 8000; while (Date.now() < end); window.cameBack = true; })")
        .await?;
    browser.switch_to(&tabs[2]).await?;
    stage.publish(0, 500).await?;
    // The leader's silence alone would take 90 s to be noticed.
    all_saw_exactly(browser, &tabs[1..], 500).await?;
    browser.switch_to(&tabs[0]).await?;
    browser.wait_for("window.cameBack").await?;
    stage.publish(500, 1_000).await?;
    all_saw_exactly(browser, &tabs, 1_000).await?;
    one_stream(&stage).await
}

pub(crate) async fn tabs_of_different_people_never_share(browser: &Browser) -> Result<()> {
    let stage = Stage::set(browser, &[]).await?;
    browser
        .run(
            "window.streams = [{}, { identity: 'ann' }, { identity: 'bob' }, { identity: 'bob' }, { compression: false }] \
               .map((more) => { record({ topics: 't', shared: true, ...more }); return stream; });",
        )
        .await?;
    browser.wait_for("streams.every(({ state }) => state === 'open')").await?;
    ensure!(stage.server.active_connections().await? == 4, "the two of bob share");
    let refused =
        "try { record({ topics: 't', shared: true, token: () => 'x' }); } catch ({ message }) { return message; }";
    ensure!(matches!(browser.run(refused).await?, Value::String(message) if message.contains("identity")));
    Ok(())
}

pub(crate) async fn a_leader_that_is_frozen_hands_over_and_catches_up(browser: &Browser) -> Result<()> {
    let stage = Stage::set(browser, &[]).await?;
    let tabs = open_tabs(browser, &stage, 3).await?;
    browser.switch_to(&tabs[0]).await?;
    browser.devtools("Page.setWebLifecycleState", json!({ "state": "frozen" })).await?;
    // More than the others keep for it.
    stage.publish(0, 3_000).await?;
    all_saw_exactly(browser, &tabs[1..], 3_000).await?;
    browser.switch_to(&tabs[0]).await?;
    browser.devtools("Page.setWebLifecycleState", json!({ "state": "active" })).await?;
    stage.publish(3_000, 3_100).await?;
    all_saw_exactly(browser, &tabs, 3_100).await?;
    one_stream(&stage).await
}
