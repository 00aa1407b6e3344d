//! The shell examples of docs/identity.md, typed as they stand there.

use anyhow::{Context, Result, ensure};
use heartwire_tests::{examples, part, wait::PATIENCE};
use std::path::Path;
use std::process::Stdio;
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStdout, Command};

/// The hub of the examples. A test's own is on a free port.
const HUB: &str = "http://127.0.0.1:8080/";

/// A terminal in a folder of its own, with the binary on its path.
struct Terminal {
    folder: TempDir,
    variables: Vec<(String, String)>,
}

impl Terminal {
    fn open() -> Result<Self> {
        let binary = part("HEARTWIRE_BIN")?;
        let programs = binary.parent().and_then(Path::to_str).context("the binary is in a folder")?;
        let path = format!("{programs}:{}", std::env::var("PATH")?);
        let variables = vec![("PATH".to_owned(), path), ("HEARTWIRE_LISTEN".to_owned(), "127.0.0.1:0".to_owned())];
        Ok(Self { folder: tempfile::tempdir()?, variables })
    }

    /// Runs a line by the shell.
    fn run(&self, line: &str) -> Result<Running> {
        let mut shell = Command::new("sh");
        // A program in the place of the shell ends when the shell is ended.
        let takes_its_place = line.starts_with("heartwire ") || line.starts_with("curl ");
        let script = format!("exec 2>&1\n{}{line}", if takes_its_place { "exec " } else { "" });
        shell.args(["-c", &script]).current_dir(self.folder.path()).env_clear();
        shell.envs(self.variables.iter().map(|(name, value)| (name, value)));
        let mut child = shell.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let output = child.stdout.take().context("its output")?;
        Ok(Running { child, output, line: line.to_owned(), printed: String::new() })
    }

    /// `export NAME=VALUE`, for all lines that follow.
    async fn export(&mut self, line: &str) -> Result<()> {
        let (name, _) = line.strip_prefix("export ").and_then(|rest| rest.split_once('=')).context("it exports")?;
        let value = self.run(&format!("{line}; printf %s \"${name}\""))?.ended().await?;
        ensure!(!value.is_empty(), "{line}: nothing");
        self.variables.push((name.to_owned(), value));
        Ok(())
    }
}

/// What was started by a line. It is ended with this value.
struct Running {
    child: Child,
    output: ChildStdout,
    line: String,
    printed: String,
}

impl Running {
    /// Reads what it prints until this text is there.
    async fn shows(&mut self, text: &str) -> Result<&str> {
        while !self.printed.contains(text) {
            ensure!(self.read().await?, "{} ends without {text:?}: {}", self.line, self.printed);
        }
        Ok(&self.printed)
    }

    /// All that it prints until it ends, well.
    async fn ended(mut self) -> Result<String> {
        while self.read().await? {}
        ensure!(self.child.wait().await?.success(), "{}: {}", self.line, self.printed);
        Ok(self.printed)
    }

    async fn read(&mut self) -> Result<bool> {
        let mut bytes = [0; 4_096];
        let n_bytes = tokio::time::timeout(PATIENCE, self.output.read(&mut bytes)).await;
        let n_bytes = n_bytes.with_context(|| format!("{} says no more: {}", self.line, self.printed))??;
        self.printed.push_str(&String::from_utf8_lossy(&bytes[..n_bytes]));
        Ok(n_bytes > 0)
    }
}

/// The lines of an example that are no comments.
fn lines<const N: usize>(example: &'static str) -> [&'static str; N] {
    let lines: Vec<_> = example.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    lines.try_into().unwrap()
}

/// Starts a hub by a line; it, and its URL.
async fn hub(terminal: &Terminal, line: &str) -> (Running, String) {
    let mut hub = terminal.run(line).unwrap();
    let printed = hub.shows("/\n").await.unwrap();
    let url = printed.lines().find_map(|line| line.strip_prefix("heartwire is listening on ")).expect(printed);
    let url = url.to_owned();
    (hub, url)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guides_first_example_lets_in_who_has_a_token_and_nobody_else() {
    let [secret, serve, token, publish, tail, read, without, public] =
        lines(examples::of_identity("sh", "HEARTWIRE_JWT_SECRET_KEY").unwrap());
    let mut terminal = Terminal::open().unwrap();
    terminal.export(secret).await.unwrap();
    let (_hub, url) = hub(&terminal, serve).await;
    terminal.export(token).await.unwrap();
    let id = terminal.run(&format!("{publish} --url {url}")).unwrap().ended().await.unwrap();
    assert!(id.trim_end().ends_with("-1"), "{id}");
    for (line, text) in [(tail, "paid"), (read, "event: connected"), (public, "event: connected")] {
        terminal.run(&line.replace(HUB, &url)).unwrap().shows(text).await.unwrap();
    }
    let refused = terminal.run(&without.replace(HUB, &url)).unwrap().ended().await.unwrap();
    assert!(refused.contains("401 Unauthorized"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guides_example_for_programs_publishes_by_a_key() {
    let [make, pipe, post] = lines(examples::of_identity("sh", "heartwire key").unwrap());
    let terminal = Terminal::open().unwrap();
    let key = terminal.run(make).unwrap().ended().await.unwrap();
    let key = key.trim_end();
    assert!(key.starts_with("hwk_"), "{key}");
    std::fs::write(terminal.folder.path().join("log"), "one\ntwo\n").unwrap();
    let (_hub, url) = hub(&terminal, "heartwire serve --config hub.toml").await;
    let typed = |line: &str| line.replace("hwk_…", key).replace(HUB, &url);
    let pipe = typed(pipe).replace("heartwire pipe", &format!("heartwire pipe --url {url}"));
    terminal.run(&pipe).unwrap().ended().await.unwrap();
    let third = terminal.run(&typed(post)).unwrap().ended().await.unwrap();
    assert!(third.contains("-3\"}"), "after the two lines of the log: {third}");
}
