//! What happens to the pair, one story a function.

pub(crate) use crate::dashboard::the_dashboard_moves_tells_of_a_refusal_and_survives_a_restart;
pub(crate) use crate::edges::{
    a_page_of_an_allowed_origin_reads_and_publishes, a_page_of_any_other_origin_is_kept_out,
    a_page_runs_under_a_policy_without_inline_scripts, over_tls_a_page_has_more_streams_than_http_1_would_let_it,
};
pub(crate) use crate::examples::*;
pub(crate) use crate::identity::*;
pub(crate) use crate::life::*;
use crate::page::{RECORDER, STRICT_PAGE, payload, recorder_script, strings};
pub(crate) use crate::sharing::*;
use anyhow::{Context, Result, ensure};
use heartwire_tests::link::Mood;
use heartwire_tests::server::{Server, folder_with_page, heartwire};
use heartwire_tests::{Browser, Link, eventually, examples, part};
use std::process::Stdio;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;

/// A server, a link to it, and the recorder's page loaded over the link.
pub(crate) struct Stage {
    pub(crate) server: Server,
    pub(crate) link: Link,
    _folder: TempDir,
}

impl Stage {
    pub(crate) async fn set(browser: &Browser, settings: &[&str]) -> Result<Self> {
        Self::with_page(browser, RECORDER, settings).await
    }

    /// With a page of the story's own, which is a kind of [`RECORDER`].
    pub(crate) async fn with_page(browser: &Browser, page: &str, settings: &[&str]) -> Result<Self> {
        let folder = folder_with_page(page)?;
        let www = folder.path().display().to_string();
        let mut all = vec!["--www", www.as_str()];
        all.extend(settings);
        let server = Server::start(&all).await?;
        let link = Link::to(server.address(), 7).await?;
        browser.open(&link.url("/")).await?;
        browser.wait_for("window.ready").await?;
        Ok(Self { server, link, _folder: folder })
    }

    /// Publishes the events `from..to` as the recorder expects them.
    pub(crate) async fn publish(&self, from: u64, to: u64) -> Result<()> {
        let payloads: Vec<String> = (from..to).map(payload).collect();
        for batch in payloads.chunks(50) {
            self.server.publish_all("t", batch).await?;
        }
        Ok(())
    }
}

pub(crate) async fn saw_exactly(browser: &Browser, n_events: u64) -> Result<()> {
    browser.wait_for(&format!("window.seen >= {n_events} || window.wrong.length")).await?;
    let wrong = browser.run("return window.wrong").await?;
    ensure!(strings(&wrong).is_empty(), "not once and in order: {wrong}");
    ensure!(browser.run("return window.seen").await? == n_events);
    Ok(())
}

/// `after_at_most`: so many bytes pass between two cuts, so that there are more than two hundred.
async fn cut_two_hundred_times(browser: &Browser, setting: &str, options: &str, after_at_most: u64) -> Result<()> {
    const N_EVENTS: u64 = 20_000;
    const N_CUTS: u64 = 200;
    let room = ["--max-history-per-topic", "30000", "--max-queue-size", "off", "--max-bytes-per-topic", "200000000"];
    let stage = Stage::set(browser, &[&room[..], &["--stream-compression", setting]].concat()).await?;
    browser
        .run(&format!(
            "record({{ topics: 't', from: 'earliest', baseReconnectDelay: 10, maxReconnectDelay: 20{options} }})"
        ))
        .await?;
    // The story is about events, so first the page gets all of its code: what opens frames comes with the first frame.
    stage.publish(0, 1).await?;
    saw_exactly(browser, 1).await?;
    stage.link.set(Mood::Cutting { after_at_most });
    // More is published while the page has nearly caught up, so that events flow all the time.
    for published in (0..N_EVENTS).step_by(500) {
        browser.wait_for(&format!("window.seen + 1_000 > {published} || window.wrong.length")).await?;
        stage.publish(published.max(1), published + 500).await?;
    }
    browser.wait_for(&format!("window.seen + 1_000 > {N_EVENTS} || window.wrong.length")).await?;
    stage.link.set(Mood::Well);
    saw_exactly(browser, N_EVENTS).await?;
    let cuts = stage.link.cuts();
    ensure!(cuts >= N_CUTS, "the link was cut {cuts} times only");
    let story = browser.run("return window.story.filter((line) => line.startsWith('gap'))").await?;
    ensure!(strings(&story).is_empty(), "nothing was missed: {story}");
    Ok(())
}

pub(crate) async fn every_event_arrives_once_and_in_order_over_a_link_that_is_cut_two_hundred_times(
    browser: &Browser,
) -> Result<()> {
    // The browser asks for gzip by itself, and gets it.
    cut_two_hundred_times(browser, "true", ", compression: false", 8_000).await?;
    ensure!(browser.run("return stream.metrics().frames").await? == 0, "no frames were asked for");
    Ok(())
}

pub(crate) async fn every_event_arrives_once_and_in_order_by_fetch_over_a_link_that_is_cut_two_hundred_times(
    browser: &Browser,
) -> Result<()> {
    cut_two_hundred_times(browser, "false", ", transport: 'fetch'", 10_000).await?;
    ensure!(browser.run("return stream.metrics().badFrames").await? == 0);
    Ok(())
}

pub(crate) async fn every_event_arrives_once_and_in_order_as_frames_over_a_link_that_is_cut_two_hundred_times(
    browser: &Browser,
) -> Result<()> {
    cut_two_hundred_times(browser, "false", ", compression: true", 10_000).await?;
    let frames = browser.run("return stream.metrics().frames").await?.as_u64().unwrap_or_default();
    ensure!(frames > 5_000, "large payloads came as frames: {frames}");
    ensure!(browser.run("return stream.metrics().badFrames").await? == 0);
    Ok(())
}

pub(crate) async fn a_restarted_server_is_met_with_a_gap_and_then_with_its_new_events(browser: &Browser) -> Result<()> {
    let mut stage = Stage::set(browser, &[]).await?;
    browser.run("record({ topics: 't', baseReconnectDelay: 50, maxReconnectDelay: 200 })").await?;
    browser.wait_for("stream.readyState === 1").await?;
    stage.publish(0, 3).await?;
    saw_exactly(browser, 3).await?;

    stage.server.kill().await?;
    browser.wait_for("window.story.includes('waiting refused')").await?;
    stage.server.restart().await?;
    stage.publish(3, 5).await?;
    saw_exactly(browser, 5).await?;

    let story = browser.run("return window.story").await?;
    let story = strings(&story);
    let cut = story.iter().position(|line| *line == "waiting cut");
    let gap = story.iter().position(|line| *line == "gap other-epoch");
    ensure!(cut.is_some() && gap.is_some() && cut < gap, "{story:?}");
    ensure!(story.iter().filter(|line| line.starts_with("gap")).count() == 1, "told once: {story:?}");
    Ok(())
}

pub(crate) async fn a_link_that_goes_silent_is_noticed_in_time_and_opened_again(browser: &Browser) -> Result<()> {
    goes_silent(browser, "").await
}

pub(crate) async fn a_link_that_goes_silent_is_noticed_in_time_by_fetch_too(browser: &Browser) -> Result<()> {
    goes_silent(browser, ", transport: 'fetch'").await
}

async fn goes_silent(browser: &Browser, options: &str) -> Result<()> {
    const LIMIT_MS: f64 = 3_000.0;
    let stage = Stage::set(browser, &["--heartbeat-interval", "2"]).await?;
    browser.run(&format!("record({{ topics: 't', baseReconnectDelay: 50{options} }})")).await?;
    browser.wait_for("window.heartbeats >= 1").await?;

    stage.link.set(Mood::Silent);
    stage.publish(0, 3).await?;
    browser.wait_for("window.silences.length").await?;
    stage.link.set(Mood::Well);
    let silence = browser.run("return window.silences[0]").await?.as_f64().unwrap_or_default();
    ensure!(
        (LIMIT_MS - 50.0..=LIMIT_MS + 250.0).contains(&silence),
        "called silent after {silence} ms, with a limit of {LIMIT_MS}"
    );
    saw_exactly(browser, 3).await?;
    ensure!(browser.run("return stream.state").await? == "open");
    Ok(())
}

pub(crate) async fn a_link_that_swallows_every_byte_is_polled_over_once_polls_get_through(
    browser: &Browser,
) -> Result<()> {
    let stage = Stage::set(browser, &["--heartbeat-interval", "1"]).await?;
    let options = "connectTimeout: 1000, pollInterval: 100, pollWait: 1000, probeInterval: 1000, \
                   baseReconnectDelay: 50, maxReconnectDelay: 100, healthyAfter: 60000";
    browser.run(&format!("record({{ topics: 't', {options} }})")).await?;
    browser.wait_for("window.heartbeats >= 1").await?;
    stage.link.set(Mood::Silent);
    stage.publish(0, 2).await?;
    browser.wait_for("window.story.includes('polling stream-blocked')").await?;
    stage.link.set(Mood::Well);
    saw_exactly(browser, 2).await?;
    browser.wait_for("stream.state === 'open'").await?;
    stage.publish(2, 4).await?;
    saw_exactly(browser, 4).await
}

pub(crate) async fn polling_takes_over_while_the_server_is_switched_off_and_gives_back(
    browser: &Browser,
) -> Result<()> {
    server_switched_off(browser, "").await
}

pub(crate) async fn polling_takes_over_by_fetch_too_while_the_server_is_switched_off(browser: &Browser) -> Result<()> {
    server_switched_off(browser, ", transport: 'fetch'").await
}

pub(crate) async fn a_stream_by_fetch_has_the_pages_headers_and_hears_the_status(browser: &Browser) -> Result<()> {
    let stage = Stage::set(browser, &[]).await?;
    stage.publish(0, 2).await?;
    browser
        .run("record({ topics: 't', from: 'earliest', token: async () => 'none that this server asks for' })")
        .await?;
    saw_exactly(browser, 2).await?;
    browser.run("stream.close()").await?;

    browser
        .run(
            "record({ headers: { 'x-a': 'b' }, maxReconnectAttempts: 0 }, 'nowhere'); \
              stream.onerror = ({ code, status }) => window.story.push(`${code} ${status}`);",
        )
        .await?;
    browser.wait_for("stream.readyState === 2").await?;
    let story = browser.run("return window.story").await?;
    ensure!(strings(&story).ends_with(&["gave-up 404", "error not-found", "not-found 404"]), "{story}");
    Ok(())
}

pub(crate) async fn a_policy_that_forbids_webassembly_costs_features_and_no_event(browser: &Browser) -> Result<()> {
    let folder = folder_with_page(STRICT_PAGE)?;
    std::fs::write(folder.path().join("recorder.js"), recorder_script().context("the recorder has a script")?)?;
    let mut server = Server::start(&["--www", &folder.path().display().to_string()]).await?;
    browser.open(&server.url("/")).await?;
    browser.wait_for("window.ready").await?;
    browser
        .run(
            "window.warnings = []; console.warn = (...words) => window.warnings.push(String(words[0])); \
             record({ topics: 'u' }); record({ topics: 't' });",
        )
        .await?;
    browser.wait_for("stream.state === 'open'").await?;
    let payloads: Vec<String> = (0..50).map(payload).collect();
    server.publish_all("t", &payloads).await?;
    saw_exactly(browser, 50).await?;
    let warnings = browser.run("return window.warnings").await?;
    ensure!(matches!(strings(&warnings)[..], [one] if one.contains("wasm-unsafe-eval")), "{warnings}");

    server.kill().await?;
    browser.wait_for("stream.state === 'connecting'").await?;
    server.restart().await?;
    browser.wait_for("window.story.includes('gap other-epoch')").await?;
    server.publish_all("t", &[payload(50)]).await?;
    saw_exactly(browser, 51).await?;
    browser.run("stream.close()").await?;
    ensure!(browser.run("return stream.readyState").await? == 2);
    Ok(())
}

async fn server_switched_off(browser: &Browser, more: &str) -> Result<()> {
    let stage = Stage::set(browser, &[]).await?;
    let options = "topics: 't', pollInterval: 50, probeInterval: 500, baseReconnectDelay: 50";
    browser.run(&format!("record({{ {options}{more} }})")).await?;
    browser.wait_for("stream.readyState === 1").await?;
    stage.publish(0, 100).await?;

    stage.server.set_enabled(false).await?;
    stage.publish(100, 200).await?;
    browser.wait_for("stream.state === 'polling'").await?;
    stage.publish(200, 300).await?;
    saw_exactly(browser, 300).await?;
    let (status, body) = stage.server.get("/events?topic=t").await?;
    ensure!(status == 503 && body.contains("SSE is not enabled on this server"), "{status} {body}");

    stage.server.set_enabled(true).await?;
    stage.publish(300, 400).await?;
    browser.wait_for("stream.state === 'open'").await?;
    stage.publish(400, 500).await?;
    saw_exactly(browser, 500).await?;
    let story = browser.run("return window.story").await?;
    ensure!(strings(&story).contains(&"polling server-disabled"), "{story}");
    ensure!(!strings(&story).iter().any(|line| line.starts_with("error")), "no error is shown to anyone: {story}");
    Ok(())
}

pub(crate) async fn polling_takes_over_while_the_page_is_switched_off_and_gives_back(browser: &Browser) -> Result<()> {
    let stage = Stage::set(browser, &[]).await?;
    browser.run("record({ topics: 't', enabled: false, from: 'earliest', pollInterval: 50 })").await?;
    stage.publish(0, 10).await?;
    saw_exactly(browser, 10).await?;
    ensure!(browser.run("return stream.metrics().attempts").await? == 0, "it never opened a stream");
    browser.run("stream.enabled = true").await?;
    stage.publish(10, 20).await?;
    browser.wait_for("stream.state === 'open'").await?;
    stage.publish(20, 30).await?;
    browser.run("stream.enabled = false").await?;
    stage.publish(30, 40).await?;
    saw_exactly(browser, 40).await?;
    let story = browser.run("return window.story").await?;
    ensure!(!strings(&story).iter().any(|line| line.starts_with("error")), "{story}");
    Ok(())
}

pub(crate) async fn a_plain_event_source_understands_the_stream(browser: &Browser) -> Result<()> {
    let stage = Stage::set(browser, &["--heartbeat-interval", "0.2"]).await?;
    browser
        .run(
            "window.types = []; window.plain = new EventSource('events?topic=t'); \
             for (const type of ['connected', 'heartbeat', 'message']) { \
               plain.addEventListener(type, (event) => types.push(`${event.type} ${event.data.slice(0, 6)}`)); }",
        )
        .await?;
    browser.wait_for("types.some((line) => line.startsWith('connected'))").await?;
    stage.server.publish("t", "hello world").await?;
    browser.wait_for("types.includes('message hello ')").await?;
    browser.wait_for("types.some((line) => line.startsWith('heartbeat'))").await?;
    Ok(())
}

pub(crate) async fn a_reader_that_is_refused_says_why_and_comes_back_by_itself(browser: &Browser) -> Result<()> {
    let stage = Stage::set(browser, &["--max-connections", "1"]).await?;
    browser
        .run(
            "window.plain = (name) => { \
               const source = new EventSource('events?topic=t'); \
               for (const type of ['connected', 'closing', 'message']) { \
                 source.addEventListener(type, ({ data }) => window.story.push(`${name} ${type} ${data.slice(0, 33)}`)); } \
               return source; }; \
             window.holder = plain('holder');",
        )
        .await?;
    browser.wait_for("story.some((line) => line.startsWith('holder connected'))").await?;
    for options in ["topics: 't'", "topics: 't', transport: 'fetch'"] {
        browser.run(&format!("story.length = 0; record({{ {options}, from: 'earliest' }})")).await?;
        browser.wait_for("story.includes('waiting too-many-connections')").await?;
        ensure!(browser.run("return story.includes('open')").await? == false, "it never was open: {options}");
        if options.contains("fetch") {
            break;
        }
        browser.run("stream.close()").await?;
    }
    browser.run("window.refused = plain('refused')").await?;
    browser
        .wait_for("story.some((line) => line.startsWith('refused closing {\"reason\":\"too-many-connections'))")
        .await?;

    // One place for the two of them: whoever has it gives it up again.
    stage.publish(0, 3).await?;
    browser.run("holder.close()").await?;
    browser.wait_for("stream.state === 'open' || story.some((line) => line.startsWith('refused connected'))").await?;
    if browser.run("return stream.state === 'open'").await? == true {
        saw_exactly(browser, 3).await?;
        browser.run("stream.close()").await?;
        browser.wait_for("story.some((line) => line.startsWith('refused connected'))").await?;
    } else {
        browser.run("refused.close()").await?;
        browser.wait_for("stream.state === 'open'").await?;
        saw_exactly(browser, 3).await?;
    }
    Ok(())
}

pub(crate) async fn the_readmes_example_for_a_bundled_page_runs(browser: &Browser) -> Result<()> {
    // The import map does what a bundler does: it finds the package by its name.
    let page = format!(
        "<!doctype html><meta charset=utf-8><title>readme</title><body>\
         <script type=importmap>{{\"imports\":{{\"heartwire\":\"./heartwire/dist/heartwire.js\"}}}}</script>\
         <script type=module>{}</script>",
        examples::of_readme("js")?
    );
    let folder = folder_with_page(&page)?;
    let server = Server::start(&["--www", &folder.path().display().to_string()]).await?;
    browser.open(&server.url("/")).await?;
    browser.wait_for("document.body.innerText.includes('open')").await?;
    server.publish("orders", "an order").await?;
    server.publish("orders&type=paid", "seven").await?;
    browser.wait_for("document.body.innerText.includes('an order')").await?;
    browser.wait_for("document.body.innerText.includes('paid: seven')").await?;
    Ok(())
}

pub(crate) async fn the_readmes_example_for_a_script_tag_runs(browser: &Browser) -> Result<()> {
    let page =
        format!("<!doctype html><meta charset=utf-8><title>readme</title><body>{}", examples::of_readme("html")?);
    let folder = folder_with_page(&page)?;
    std::fs::copy(folder.path().join("heartwire/dist/heartwire.script.js"), folder.path().join("heartwire.script.js"))?;
    let server = Server::start(&["--www", &folder.path().display().to_string()]).await?;
    browser.open(&server.url("/")).await?;
    // Its `const stream` is not to be seen from out here in every browser.
    eventually("the page's stream", async || {
        let (_, body) = server.get("/events/health").await?;
        Ok(body.contains("\"active_connections\":1").then_some(()))
    })
    .await?;
    server.publish("orders", "by a script tag").await?;
    browser.wait_for("document.body.innerText.includes('by a script tag')").await?;
    Ok(())
}

pub(crate) async fn the_demo_page_shows_the_host_and_the_piped_lines(browser: &Browser) -> Result<()> {
    let www = part("HEARTWIRE_WWW")?.display().to_string();
    let server = Server::start(&["--www", &www, "--host-stats-interval", "1"]).await?;
    browser.open(&server.url("/")).await?;
    browser.wait_for("document.body.innerText.includes('Open') || document.body.innerText.includes('open')").await?;

    let mut pipe =
        heartwire()?.args(["pipe", "--topic", "lines", "--url", &server.url("/")]).stdin(Stdio::piped()).spawn()?;
    let Some(mut stdin) = pipe.stdin.take() else { anyhow::bail!("a pipe has a standard input") };
    stdin.write_all(b"a line of a real pipe\nand <b>another</b>\n").await?;
    drop(stdin);
    ensure!(pipe.wait().await?.success());
    browser.wait_for("document.body.innerText.includes('a line of a real pipe')").await?;
    browser.wait_for("document.body.innerText.includes('and <b>another</b>')").await?;
    eventually("the log holds a few seconds of the host", async || {
        let (_, body) = server.get("/events/poll?topic=host&from=earliest").await?;
        Ok((body.matches("cpu_total").count() >= 3).then_some(()))
    })
    .await
}

pub(crate) async fn the_plain_page_shows_the_host(browser: &Browser) -> Result<()> {
    let www = part("HEARTWIRE_WWW")?.display().to_string();
    let server = Server::start(&["--www", &www, "--host-stats-interval", "1"]).await?;
    browser.open(&server.url("/plain.html")).await?;
    browser.wait_for("/cpu/i.test(document.body.innerText) && /\\d/.test(document.body.innerText)").await?;
    Ok(())
}
