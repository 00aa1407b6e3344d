//! The servers that are compared: how each is started, where it takes and gives events, which
//! version it is. All keep one small contract: `GET` of one path is a stream of every event from now
//! on, `POST` of another publishes its body.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use clap::ValueEnum;
use serde::Serialize;

use crate::plan;
use crate::server::{Server, free_address};
use crate::stop::Stop;

const NCHAN_CONFIG: &str = include_str!("../peers/nchan/nginx.conf");
/// Where Debian's package puts the module.
const NCHAN_MODULE: &str = "/usr/lib/nginx/modules/ngx_nchan_module.so";

/// A server, by the name that `--only` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Peer {
    /// This repository's `heartwire serve`
    Heartwire,
    /// One bare write per reader: the floor
    Bare,
    /// axum's Sse over a tokio broadcast channel
    Axum,
    /// nginx with the nchan module
    Nchan,
    /// better-sse on Node's http
    BetterSse,
    /// sse-starlette on uvicorn
    SseStarlette,
}

/// Where things lie.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// The folder of the workspace.
    pub(crate) root: PathBuf,
    /// Where the programs of this build are.
    pub(crate) programs: PathBuf,
    /// Where output goes, and what the peers need to run.
    pub(crate) out: PathBuf,
}

impl Places {
    /// With output in `out`, or in `target/bench`.
    pub(crate) fn find(out: Option<PathBuf>) -> Result<Self> {
        let bench = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = bench.parent().context("bench/ has a folder around it")?.to_owned();
        let program = std::env::current_exe().context("cannot tell where this program is")?;
        let programs = program.parent().context("this program is in a folder")?.to_owned();
        let out = out.unwrap_or_else(|| root.join("target/bench"));
        Ok(Self { root, programs, out })
    }

    /// A program of this build.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    /// What `cargo xtask bench` sets up is always here, wherever the output goes.
    fn python(&self) -> PathBuf {
        self.root.join("target/bench/venv/bin/python")
    }

    fn node_server(&self) -> PathBuf {
        self.root.join("bench/peers/better-sse/server.js")
    }
}

impl Peer {
    /// The name in tables and pictures.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Heartwire => "heartwire",
            Self::Bare => "bare writes",
            Self::Axum => "axum Sse",
            Self::Nchan => "nchan",
            Self::BetterSse => "better-sse",
            Self::SseStarlette => "sse-starlette",
        }
    }

    /// The path and query of the stream.
    pub(crate) fn stream_path(self) -> &'static str {
        match self {
            Self::Heartwire => "/events?topic=bench",
            _ => "/events",
        }
    }

    /// The path and query to publish to.
    pub(crate) fn publish_path(self) -> &'static str {
        match self {
            Self::Nchan => "/publish",
            _ => self.stream_path(),
        }
    }

    pub(crate) fn has_heartbeats(self) -> bool {
        self != Self::Bare
    }

    /// The version, or why this machine cannot run it, in a sentence.
    pub(crate) fn version(self, places: &Places) -> Result<String> {
        match self {
            Self::Heartwire => {
                let program = places.program("heartwire");
                ask(Command::new(&program).arg("--version")).context("the release build of heartwire is missing")
            }
            Self::Bare => Ok(format!("mio, one thread, {}", env!("CARGO_PKG_VERSION"))),
            Self::Axum => {
                let lock = fs::read_to_string(places.root.join("Cargo.lock")).context("cannot read Cargo.lock")?;
                let of = |name| locked_version(&lock, name).with_context(|| format!("{name} is not in Cargo.lock"));
                Ok(format!("axum {}, hyper {}, tokio {}", of("axum")?, of("hyper")?, of("tokio")?))
            }
            Self::Nchan => {
                ensure!(Path::new(NCHAN_MODULE).exists(), "nginx's nchan module is not installed");
                let nginx = ask(Command::new("nginx").arg("-v")).context("nginx is not installed")?;
                let nginx = nginx.rsplit('/').next().unwrap_or_default().to_owned();
                let mut query = Command::new("dpkg-query");
                query.args(["--show", "--showformat", "${Version}", "libnginx-mod-nchan"]);
                let module = ask(&mut query).unwrap_or_else(|_| "of unknown version".into());
                Ok(format!("nchan {module} in nginx {nginx}"))
            }
            Self::BetterSse => {
                let manifest = places.root.join("node_modules/better-sse/package.json");
                let text = fs::read_to_string(manifest).context("better-sse is not installed")?;
                let manifest: serde_json::Value = serde_json::from_str(&text).context("better-sse's package.json")?;
                let version = manifest["version"].as_str().unwrap_or("of unknown version");
                let node = ask(Command::new("node").arg("--version")).context("Node.js is not installed")?;
                Ok(format!("better-sse {version} on Node {}", node.trim_start_matches('v')))
            }
            Self::SseStarlette => {
                let script = "from importlib.metadata import version as v; import platform; \
                     print(f\"sse-starlette {v('sse-starlette')}, uvicorn {v('uvicorn')}, Python {platform.python_version()}\")";
                ask(Command::new(places.python()).args(["-c", script])).context("sse-starlette is not installed")
            }
        }
    }

    /// Starts it on a free port, with heartbeats this far apart where it has any.
    pub(crate) fn start(self, places: &Places, heartbeat: Duration, stop: &Stop) -> Result<Server> {
        let address = free_address()?;
        let log = places.out.join("log").join(format!("{}.log", self.title().replace(' ', "-")));
        let mut command = self.command(places, address, heartbeat)?;
        Server::start(&mut command, address, &log, stop)
    }

    fn command(self, places: &Places, address: SocketAddr, heartbeat: Duration) -> Result<Command> {
        let (port, heartbeat) = (address.port().to_string(), heartbeat.as_secs().to_string());
        let mut command = match self {
            Self::Heartwire => {
                let mut serve = Command::new(places.program("heartwire"));
                serve.args(["serve", "--listen", &address.to_string(), "--heartbeat-interval", &heartbeat]);
                return Ok(serve);
            }
            Self::Bare => Command::new(places.program("heartwire-bench-bare")),
            Self::Axum => Command::new(places.program("heartwire-bench-axum")),
            Self::Nchan => return nginx(places, address, &heartbeat),
            Self::BetterSse => {
                let mut node = Command::new("node");
                node.arg(places.node_server());
                node
            }
            Self::SseStarlette => {
                let mut python = Command::new(places.python());
                python.arg(places.root.join("bench/peers/sse-starlette/server.py"));
                python
            }
        };
        command.args([port, heartbeat]);
        Ok(command)
    }
}

fn nginx(places: &Places, address: SocketAddr, heartbeat: &str) -> Result<Command> {
    let folder = places.out.join("nchan");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let path = folder.to_str().context("the path of the output folder is not UTF-8")?;
    let config = NCHAN_CONFIG
        .replace("@MODULE@", NCHAN_MODULE)
        .replace("@FOLDER@", path)
        .replace("@FILES@", &plan::MAX_OPEN_FILES.to_string())
        .replace("@PORT@", &address.port().to_string())
        .replace("@HEARTBEAT@", heartbeat);
    let file = folder.join("nginx.conf");
    fs::write(&file, config).with_context(|| format!("cannot write {}", file.display()))?;
    let mut nginx = Command::new("nginx");
    nginx.arg("-c").arg(&file).arg("-p").arg(&folder).args(["-e", "stderr"]);
    Ok(nginx)
}

/// What a quick program says about itself, on whichever output.
fn ask(command: &mut Command) -> Result<String> {
    let answer = command.stdin(Stdio::null()).output()?;
    if !answer.status.success() {
        bail!("{} failed: {}", command.get_program().display(), answer.status);
    }
    let text = if answer.stdout.is_empty() { answer.stderr } else { answer.stdout };
    Ok(String::from_utf8_lossy(&text).trim().to_owned())
}

fn locked_version<'a>(lock: &'a str, name: &str) -> Option<&'a str> {
    let (_, after) = lock.split_once(&format!("\nname = \"{name}\"\nversion = \""))?;
    after.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_found_by_the_whole_name() {
        let lock =
            "[[package]]\nname = \"axum-core\"\nversion = \"1\"\n\n[[package]]\nname = \"axum\"\nversion = \"2\"\n";
        assert_eq!(locked_version(lock, "axum"), Some("2"));
        assert_eq!(locked_version(lock, "hyper"), None);
    }

    #[test]
    fn nothing_is_left_to_fill_in_in_the_config_of_nginx() {
        let words = NCHAN_CONFIG.split('@').skip(1).step_by(2).filter(|word| word.len() < 20);
        for word in words {
            assert!(["MODULE", "FOLDER", "FILES", "PORT", "HEARTBEAT"].contains(&word), "{word}");
        }
    }
}
