//! The test programs that cargo makes of this workspace. They are built in one go, so that all share what
//! they depend on, and run several at a time: cargo would run one after another, and most of them wait
//! for sockets, browsers and clocks nearly all the time.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::report::Report;
use crate::{shell, toolchain};

/// Those that take longest. They come first, so that none of them is left for the end.
const LONG: [&str; 6] = ["browser", "stopped_readers", "siege", "command", "promise", "decoders"];

/// A test program, as cargo tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Program {
    /// The folder of its package, in which it is to run.
    pub(crate) folder: PathBuf,
    kind: String,
    name: String,
    executable: PathBuf,
}

impl Program {
    /// How to run it, and in a few words what that does.
    pub(crate) fn job(&self) -> Job {
        let package = self.folder.file_name().unwrap_or_default().to_string_lossy();
        let mut command = Command::new(&self.executable);
        command.current_dir(&self.folder);
        // A library and a program may be called the same.
        Job { what: format!("testing {package}, {} {}", self.kind, self.name), command }
    }
}

/// A runner of tests that is yet to run.
pub(crate) struct Job {
    pub(crate) what: String,
    pub(crate) command: Command,
}

/// What [`build`] has made, in the order in which it is best run.
static BUILT: OnceLock<Vec<Program>> = OnceLock::new();

/// The test programs of the workspace, after [`build`].
pub(crate) fn built() -> &'static [Program] {
    BUILT.get().map_or(&[], Vec::as_slice)
}

/// Builds all test programs of the workspace, the server's binary that some of them start, and the examples.
pub(crate) fn build() -> Result<()> {
    let mut cargo = toolchain::cargo("test");
    cargo.args(["--workspace", "--no-run", "--message-format", "json-render-diagnostics"]);
    let ended = shell::attempt("building the tests of every crate (minutes the first time)", &mut cargo, None)?;
    if !ended.succeeded {
        let for_people = ended.output.lines().filter(|line| !line.starts_with(r#"{"reason":"#));
        eprintln!("{}", for_people.collect::<Vec<_>>().join("\n"));
        bail!("building the tests failed: what the compiler says is above");
    }
    let mut programs = ended.output.lines().filter_map(program).collect::<Result<Vec<_>>>()?;
    programs.sort_by_key(|program| LONG.iter().position(|name| *name == program.name).unwrap_or(LONG.len()));
    BUILT.get_or_init(|| programs);
    Ok(())
}

/// The test program that a line of cargo's output is about, if it is about one.
fn program(line: &str) -> Option<Result<Program>> {
    #[derive(Deserialize)]
    struct Artifact {
        manifest_path: PathBuf,
        target: Target,
        profile: Profile,
        executable: Option<PathBuf>,
    }
    #[derive(Deserialize)]
    struct Target {
        kind: Vec<String>,
        name: String,
    }
    #[derive(Deserialize)]
    struct Profile {
        test: bool,
    }
    // Any other message lacks some of these fields.
    let artifact: Artifact = serde_json::from_str(line).ok()?;
    let executable = artifact.executable.filter(|_| artifact.profile.test)?;
    let folder = artifact.manifest_path.parent().map(PathBuf::from);
    Some(folder.context("a manifest is in a folder").map(|folder| Program {
        folder,
        kind: artifact.target.kind.join(" "),
        name: artifact.target.name,
        executable,
    }))
}

/// Runs all jobs, `at_once` of them at any moment, each when one before it has ended.
pub(crate) fn run(what: &str, jobs: Vec<Job>, at_once: usize) -> Result<Report> {
    let started = Instant::now();
    let jobs = Mutex::new(jobs.into_iter());
    let next = || jobs.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        let mut reports = Vec::new();
        while let Some(Job { what, mut command }) = next() {
            reports.push(Report::of(&shell::attempt(&what, &mut command, None)?));
        }
        Ok(reports.into_iter().collect())
    };
    let report: Result<Report> = thread::scope(|scope| {
        let workers: Vec<_> = (0..at_once).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join().expect("a worker does not panic")).collect()
    });
    Ok(report?.close(what, started.elapsed()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_cargo_tells_only_the_test_programs_are_taken() {
        let artifact = |name: &str, test: bool, executable: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","package_id":"p","manifest_path":"/w/server/Cargo.toml","target":{{"kind":["test"],"name":"{name}"}},"profile":{{"test":{test}}},"executable":{executable}}}"#
            )
        };
        let check = |line: &str, expected: Option<&str>| {
            let found = program(line).map(|program| program.expect("there is a folder").job().what);
            assert_eq!(found.as_deref(), expected, "{line}");
        };
        check(&artifact("gzip", true, r#""/w/target/debug/deps/gzip-1""#), Some("testing server, test gzip"));
        check(&artifact("heartwire", false, r#""/w/target/debug/heartwire""#), None);
        check(&artifact("heartwire", true, "null"), None);
        check(r#"{"reason":"build-finished","success":true}"#, None);
        check("   Compiling heartwire v0.1.0", None);
    }

    #[test]
    fn all_jobs_run_and_one_that_fails_keeps_no_other_from_it() {
        let job = |n: u64, code: u64| {
            let mut command = Command::new("sh");
            command.args(["-c", &format!("echo 'test result: ok. {n} passed; {code} failed; 0 ignored'; exit {code}")]);
            Job { what: format!("test of jobs {n}"), command }
        };
        let jobs = vec![job(1, 0), job(2, 1), job(3, 0), job(4, 0)];
        let report = run("testing in turn", jobs, 2).expect("sh can be run");
        assert_eq!((report.tally.passed, report.tally.failed), (10, 1));
    }
}
