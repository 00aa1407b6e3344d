//! Many tabs, one stream.

use crate::page::{RECORDER, recorder_with};
use crate::stories::{Stage, saw_exactly};
use anyhow::{Context, Result, ensure};
use heartwire_tests::{Browser, BrowserKind, INSECURE_HOST, Tab, eventually};
use serde_json::{Value, json};

const RECORD: &str = "record({ topics: 't', shared: true })";

/// As on a page without a secure context.
const WITHOUT_LOCKS: &str = "<script>Object.defineProperty(navigator, 'locks', { value: undefined });</script>";

/// Opens so many tabs, the first one of which is there already; each has its stream open.
async fn open_tabs(browser: &Browser, stage: &Stage, n: usize) -> Result<Vec<Tab>> {
    open_tabs_at(browser, &stage.link.url("/"), n).await
}

async fn open_tabs_at(browser: &Browser, url: &str, n: usize) -> Result<Vec<Tab>> {
    let mut tabs = Vec::new();
    for i in 0..n {
        tabs.push(if i == 0 { browser.tab().await? } else { browser.new_tab().await? });
        browser.open(url).await?;
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

async fn n_streams(stage: &Stage, n: u64) -> Result<()> {
    eventually(&format!("{n} streams in all"), async || {
        Ok((stage.server.active_connections().await? == n).then_some(()))
    })
    .await
}

async fn one_stream(stage: &Stage) -> Result<()> {
    n_streams(stage, 1).await
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
    people_never_share(browser, RECORDER).await
}

/// With the classic script, which finds the worker beside itself.
pub(crate) async fn without_web_locks_tabs_of_different_people_never_share_either(browser: &Browser) -> Result<()> {
    let head = format!("{WITHOUT_LOCKS}<script src=\"heartwire/dist/heartwire.script.js\"></script>");
    let import = "import { EventStream } from './heartwire/dist/heartwire.js'";
    people_never_share(browser, &recorder_with(&head).replacen(import, "const { EventStream } = Heartwire", 1)).await
}

async fn people_never_share(browser: &Browser, page: &str) -> Result<()> {
    let stage = Stage::with_page(browser, page, &[]).await?;
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

pub(crate) async fn without_web_locks_a_worker_has_the_one_stream_and_any_tab_may_go(browser: &Browser) -> Result<()> {
    const BATCH: u64 = 1_000;
    let stage = Stage::with_page(browser, &recorder_with(WITHOUT_LOCKS), &[]).await?;
    let mut tabs = open_tabs(browser, &stage, 5).await?;
    ensure!(stage.server.active_connections().await? == 1, "one stream, and never another");
    stage.publish(0, BATCH).await?;
    all_saw_exactly(browser, &tabs, BATCH).await?;

    // The one that has started the worker.
    let first = tabs.remove(0);
    browser.switch_to(&first).await?;
    let publish = stage.publish(BATCH, 2 * BATCH);
    let leave = async {
        browser.wait_for(&format!("window.seen > {BATCH}")).await?;
        browser.close_tab().await
    };
    let (publish, leave) = tokio::join!(publish, leave);
    publish?;
    leave?;
    all_saw_exactly(browser, &tabs, 2 * BATCH).await?;
    ensure!(stage.server.active_connections().await? == 1, "the same stream goes on");

    // The pages stay, and nobody wants the stream any more.
    for tab in &tabs {
        browser.switch_to(tab).await?;
        browser.run("stream.close()").await?;
    }
    n_streams(&stage, 0).await?;
    browser.run(RECORD).await?;
    browser.wait_for("stream.state === 'open'").await?;
    stage.publish(2 * BATCH, 2 * BATCH + 100).await?;
    all_saw_exactly(browser, &tabs[tabs.len() - 1..], 2 * BATCH + 100).await?;
    one_stream(&stage).await
}

/// A page of a box in the local network, say, over plain HTTP.
pub(crate) async fn tabs_of_an_insecure_origin_share_a_stream_by_a_worker(browser: &Browser) -> Result<()> {
    let stage = Stage::set(browser, &["--allow-hosts", INSECURE_HOST]).await?;
    let url = stage.link.url("/").replace("127.0.0.1", INSECURE_HOST);
    let mut tabs = open_tabs_at(browser, &url, 3).await?;
    let lacks = browser.run("return [isSecureContext, 'locks' in navigator]").await?;
    ensure!(lacks == json!([false, false]), "the browser takes {url} for secure: {lacks}");
    ensure!(stage.server.active_connections().await? == 1, "one stream, and never another");
    stage.publish(0, 500).await?;
    all_saw_exactly(browser, &tabs, 500).await?;

    let first = tabs.remove(0);
    browser.switch_to(&first).await?;
    browser.close_tab().await?;
    stage.publish(500, 1_000).await?;
    all_saw_exactly(browser, &tabs, 1_000).await?;
    one_stream(&stage).await
}

pub(crate) async fn without_web_locks_and_without_a_worker_each_tab_has_a_stream_of_its_own(
    browser: &Browser,
) -> Result<()> {
    let policy = "<meta http-equiv=\"content-security-policy\" content=\"worker-src 'none'\">";
    let stage = Stage::with_page(browser, &recorder_with(&format!("{policy}{WITHOUT_LOCKS}")), &[]).await?;
    let tabs = open_tabs(browser, &stage, 3).await?;
    ensure!(stage.server.active_connections().await? == 3);
    stage.publish(0, 500).await?;
    all_saw_exactly(browser, &tabs, 500).await
}

pub(crate) async fn a_worker_that_dies_with_a_tab_or_by_itself_is_started_again(browser: &Browser) -> Result<()> {
    const BATCH: u64 = 500;
    let stage = Stage::with_page(browser, &recorder_with(WITHOUT_LOCKS), &[]).await?;
    let mut tabs = open_tabs(browser, &stage, 3).await?;
    // It has started the worker, which is in its process.
    let first = tabs.remove(0);
    browser.switch_to(&first).await?;
    let publish = stage.publish(0, BATCH);
    let crash = async {
        browser.wait_for("window.seen > 0").await?;
        // It answers with an error, having crashed.
        let _ = browser.devtools("Page.crash", json!({})).await;
        anyhow::Ok(())
    };
    let (publish, crash) = tokio::join!(publish, crash);
    publish?;
    crash?;
    all_saw_exactly(browser, &tabs, BATCH).await?;
    one_stream(&stage).await?;
    for tab in &tabs {
        browser.switch_to(tab).await?;
        browser.run("stream.close()").await?;
    }
    n_streams(&stage, 0).await?;

    for tab in &tabs {
        browser.switch_to(tab).await?;
        browser.run(RECORD).await?;
        browser.wait_for("stream.state === 'open'").await?;
    }
    let targets = browser.devtools("Target.getTargets", json!({})).await?;
    let mut targets = targets["targetInfos"].as_array().into_iter().flatten();
    let worker = targets.find(|target| target["type"] == "shared_worker").context("the worker is a target")?;
    let publish = stage.publish(BATCH, 2 * BATCH);
    let end = async {
        browser.wait_for(&format!("window.seen > {BATCH}")).await?;
        browser.devtools("Target.closeTarget", json!({ "targetId": worker["targetId"] })).await
    };
    let (publish, end) = tokio::join!(publish, end);
    publish?;
    end?;
    all_saw_exactly(browser, &tabs, 2 * BATCH).await?;
    one_stream(&stage).await
}
