//! The dashboard, over a server that has something to show.

use anyhow::{Result, ensure};
use heartwire_tests::server::Server;
use heartwire_tests::{Browser, http, part};
use tokio::task::JoinHandle;

/// Publishes without a pause that anyone would notice, and reads as several clients do. Ends with this value.
struct Load(Vec<JoinHandle<()>>);

impl Load {
    fn on(server: &Server, n_readers: usize) -> Self {
        let (client, publish) = (http::client().build().unwrap(), server.url("/events?topic=load&type=tick"));
        let read = server.url("/events?topic=load");
        let publisher = tokio::spawn({
            let client = client.clone();
            async move {
                let mut beat = tokio::time::interval(std::time::Duration::from_millis(20));
                for n in 0_u64.. {
                    beat.tick().await;
                    // The server may be away for a while.
                    let data = format!("{{\"n\":{n},\"text\":\"the same words again and again\"}}");
                    drop(client.post(&publish).body(data).send().await);
                }
            }
        });
        let reader = || {
            let (client, url) = (client.clone(), read.clone());
            tokio::spawn(async move {
                loop {
                    if let Ok(mut answer) = client.get(&url).header("accept-encoding", "gzip").send().await {
                        while let Ok(Some(_)) = answer.chunk().await {}
                    }
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
            })
        };
        let readers = std::iter::repeat_with(reader).take(n_readers);
        Self([publisher].into_iter().chain(readers).collect())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

pub(crate) async fn the_dashboard_moves_tells_of_a_refusal_and_survives_a_restart(browser: &Browser) -> Result<()> {
    let www = part("HEARTWIRE_WWW")?.display().to_string();
    let mut server = Server::start(&["--www", &www, "--max-connections", "50"]).await?;
    let load = Load::on(&server, 12);
    browser.open(&server.url("/dashboard.html")).await?;
    // Twelve, and the page itself.
    browser.wait_for("document.querySelector('[data-figure=active]').textContent === '13'").await?;
    browser.wait_for("document.querySelector('[data-figure=max]').textContent === 'of 50'").await?;
    browser.wait_for("document.querySelector('#pool').value === 26").await?;
    browser.wait_for("parseFloat(document.querySelector('[data-figure=delivered]').textContent) > 100").await?;
    browser.wait_for("/ms$/.test(document.querySelector('[data-figure=p50]').textContent)").await?;
    browser.wait_for("parseInt(document.querySelector('[data-figure=saved]').textContent) > 20").await?;
    browser.wait_for("document.querySelector('#topics').innerText.includes('load')").await?;
    ensure!(!browser.run("return document.body.innerText").await?.to_string().contains("$stats"));

    // What is drawn changes from one second to the next.
    let picture = "document.querySelector('[data-lane=delivered]').toDataURL()";
    let first = browser.run(&format!("return {picture}")).await?;
    browser.wait_for(&format!("{picture} !== {first}")).await?;

    // Each load of the page asks for its icon, so count only what is asked for here.
    ensure!(server.get("/events?topic=").await?.0 == 400);
    browser.wait_for("document.querySelector('#refusals').innerText.includes('bad-topic')").await?;
    ensure!(browser.run("return document.querySelector('#refusals').innerText").await?.to_string().contains("stream"));

    server.kill().await?;
    browser.wait_for("document.querySelector('#link').dataset.state === 'waiting'").await?;
    server.restart().await?;
    browser.wait_for("document.querySelector('#link').dataset.state === 'open'").await?;
    browser.wait_for("!document.querySelector('#refusals').innerText.includes('bad-topic')").await?;
    browser.wait_for("document.querySelector('[data-figure=active]').textContent === '13'").await?;
    browser.wait_for("parseFloat(document.querySelector('[data-figure=delivered]').textContent) > 100").await?;
    drop(load);
    browser.wait_for("document.querySelector('[data-figure=active]').textContent === '1'").await?;
    Ok(())
}
