//! Running other programs: silent while they are quick, a line when they take longer, their whole
//! output when they fail.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::{files, tree};

/// A program that ends sooner gets no line of its own.
const MOMENT: Duration = Duration::from_secs(1);
/// How often a long run says that it is still at work.
const REMINDER: Duration = Duration::from_secs(60);
/// How often we look whether the program has ended.
const LOOK: Duration = Duration::from_millis(20);

/// What is left of a program that has ended.
pub(crate) struct Ended {
    pub(crate) succeeded: bool,
    /// Standard output and standard error, in the order of writing.
    pub(crate) output: String,
    pub(crate) took: Duration,
}

/// Runs `command` to its end; a failure prints its output and is an error.
///
/// `what` says in a few words what is going on, and for long work how long it takes.
pub(crate) fn run(what: &str, command: &mut Command) -> Result<String> {
    let ended = attempt(what, command, None)?;
    if !ended.succeeded {
        eprintln!("{}", ended.output.trim_end());
        let subject = what.split(" (").next().unwrap_or(what);
        bail!("{subject} failed: its output is above");
    }
    Ok(ended.output)
}

/// Runs `command` to its end, or for `limit`, and tells how it went.
pub(crate) fn attempt(what: &str, command: &mut Command, limit: Option<Duration>) -> Result<Ended> {
    let log = log_file(what)?;
    let started = Instant::now();
    let writer = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .spawn()
        .with_context(|| format!("cannot run {}", command.get_program().display()))?;

    let status = wait(what, &mut child, limit)?;
    let output = fs::read(&log).with_context(|| format!("cannot read {}", log.display()))?;
    Ok(Ended {
        succeeded: status.is_some_and(|status| status.success()),
        output: String::from_utf8_lossy(&output).into_owned(),
        took: started.elapsed(),
    })
}

/// One line of output of a quick program that has no side effects, or `None` if it cannot be had.
pub(crate) fn ask(command: &mut Command) -> Option<String> {
    let answer = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(answer.stdout).ok()?;
    answer.status.success().then(|| text.trim().to_owned())
}

/// Where on PATH, or failing that at one of `elsewhere`, a program is.
pub(crate) fn find(name: &str, elsewhere: &[&str]) -> Option<PathBuf> {
    let file_name = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join(&file_name))
        .chain(elsewhere.iter().map(PathBuf::from))
        .find(|candidate| candidate.is_file())
}

/// Waits for the end; `None` when the limit came first and the program was stopped.
fn wait(what: &str, child: &mut Child, limit: Option<Duration>) -> Result<Option<ExitStatus>> {
    let started = Instant::now();
    let mut next_line = MOMENT;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        let elapsed = started.elapsed();
        if limit.is_some_and(|limit| elapsed >= limit) {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        if elapsed >= next_line {
            match next_line {
                MOMENT => println!("- {what}"),
                _ => println!("  still at it after {} s: {what}", elapsed.as_secs()),
            }
            next_line += REMINDER;
        }
        thread::sleep(LOOK);
    }
}

/// `target/xtask/log/what-it-is-about.log`, which also serves to watch long work with `tail -f`.
fn log_file(what: &str) -> Result<PathBuf> {
    let folder = tree::target("xtask/log");
    files::make_folder(&folder)?;
    let subject = what.split([':', '(']).next().unwrap_or(what);
    let words: Vec<_> = subject.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    Ok(folder.join(words.join("-") + ".log"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_past_its_limit_is_stopped_and_counts_as_failed() {
        let limit = Some(Duration::from_millis(50));
        let ended = attempt("test of the limit", Command::new("sleep").arg("600"), limit);
        assert!(!ended.expect("sleep can be run").succeeded);
    }

    #[test]
    fn both_outputs_arrive_in_the_order_of_writing() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo one; echo two >&2; echo three"]);
        let ended = attempt("test of the order", &mut command, None).expect("sh can be run");
        assert_eq!(ended.output, "one\ntwo\nthree\n");
    }
}
