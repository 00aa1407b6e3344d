//! Builds the pair and becomes its server: `cargo xtask start`.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::{client, shell, toolchain, tree};

const FIRST_PORT: u16 = 8080;

/// Starts the pair; `flags` go to `heartwire serve` as they are.
pub(crate) fn start(flags: &[String]) -> Result<()> {
    client::build()?;
    build_server()?;

    let mut serve = Command::new(tree::server_binary());
    serve.arg("serve").arg("--www").arg(tree::www()).args(["--host-stats-interval", "1"]);
    if !names_an_address(flags) {
        let address = free_address(FIRST_PORT)?;
        if address.port() != FIRST_PORT {
            println!("Port {FIRST_PORT} is taken, so this is port {}.", address.port());
        }
        println!("\n  The demo page: http://{address}/   (Ctrl-C stops it)\n");
        serve.args(["--listen", &address.to_string()]);
    }
    become_program(serve.args(flags))
}

/// The release build of the server, for `start` and for what is measured.
pub(crate) fn build_server() -> Result<()> {
    let mut cargo = toolchain::cargo("build");
    cargo.args(["--release", "--package", "heartwire"]);
    shell::run("building the server (a few minutes the first time)", &mut cargo)?;
    Ok(())
}

fn names_an_address(flags: &[String]) -> bool {
    flags.iter().any(|flag| flag == "--listen" || flag.starts_with("--listen="))
}

/// The first address on this machine, from `first` upwards, where nothing listens.
fn free_address(first: u16) -> Result<SocketAddr> {
    for port in first..=u16::MAX {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        match TcpListener::bind(address) {
            Ok(_) => return Ok(address),
            Err(err) if err.kind() == io::ErrorKind::AddrInUse => {}
            Err(err) => return Err(err).with_context(|| format!("cannot listen on {address}")),
        }
    }
    anyhow::bail!("every port from {first} upwards is taken: name one with --listen")
}

/// Takes the place of this process, so that Ctrl-C and every other signal reach the server itself.
#[cfg(unix)]
pub(crate) fn become_program(command: &mut Command) -> Result<()> {
    use std::os::unix::process::CommandExt as _;
    Err(command.exec()).with_context(|| format!("cannot run {}", command.get_program().display()))
}

/// Where a process cannot be replaced, waits; Ctrl-C goes to both.
#[cfg(not(unix))]
pub(crate) fn become_program(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot run {}", command.get_program().display()))?;
    anyhow::ensure!(status.success(), "{} ended: {status}", command.get_program().display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_passed_over() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("some port is free");
        let port = taken.local_addr().expect("it is bound").port();
        let found = free_address(port).expect("some later port is free");
        assert!(found.port() > port);
    }

    #[test]
    fn an_address_in_the_flags_is_seen_in_both_spellings() {
        let check = |flags: &[&str], expected: bool| {
            let flags: Vec<_> = flags.iter().map(ToString::to_string).collect();
            assert_eq!(names_an_address(&flags), expected, "{flags:?}");
        };
        check(&["--listen", "127.0.0.1:9000"], true);
        check(&["--preset", "edge", "--listen=127.0.0.1:9000"], true);
        check(&["--listening"], false);
        check(&[], false);
    }
}
