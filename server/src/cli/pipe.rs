//! `heartwire pipe`: each line of standard input becomes an event.
//!
//! Lines that are ready together are published together, in order. While the server is away the
//! lines wait in a bounded buffer, and so does whoever writes them.

use super::Failure;
use super::http::{PublishFailure, Publisher, Target};
use crate::environment;
use clap::Args;
use heartwire_protocol::backoff::Backoff;
use serde::Serialize;
use std::io::Write;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, BufReader};
use tokio::sync::mpsc;

/// The longest line that is published, in bytes, before and after it becomes JSON: the largest body
/// that a server takes unless it is set otherwise.
const MAX_LINE_BYTES: usize = 1024 * 1024;
/// So many bytes go into one request at most, unless one line has more.
const MAX_BATCH_BYTES: usize = 128 * 1024;
/// So many lines go into one request at most.
const MAX_BATCH_LINES: usize = 1_000;
/// So many lines wait at most while the server is away.
const BUFFERED_LINES: usize = 1_000;

/// Publish each line of standard input as an event.
///
/// Waits for the server while it is away, and so does whoever writes to this. Ends when standard
/// input does and the server has everything. Where a cut hides whether the server took some lines,
/// they are published again.
#[derive(Debug, Args)]
pub(super) struct PipeArgs {
    #[command(flatten)]
    target: Target,
}

pub(super) async fn run(args: PipeArgs) -> Result<(), Failure> {
    let publisher = Publisher::new(&args.target)?;
    let (sender, mut lines) = mpsc::channel(BUFFERED_LINES);
    let reader = tokio::spawn(read_lines(BufReader::new(tokio::io::stdin()), sender));
    while let Some(first) = lines.recv().await {
        publish_all(&publisher, batch(first, &mut lines)).await?;
    }
    match reader.await {
        Ok(read) => read,
        Err(err) => Err(Failure::new("cannot read standard input", &err)),
    }
}

/// A line on its way to the server.
#[derive(Debug)]
struct Outgoing {
    /// Counted from 1.
    number: u64,
    ndjson: String,
}

/// The line at hand and those that are ready behind it.
fn batch(first: Outgoing, lines: &mut mpsc::Receiver<Outgoing>) -> Vec<Outgoing> {
    let mut n_bytes = first.ndjson.len();
    let mut batch = vec![first];
    while batch.len() < MAX_BATCH_LINES && n_bytes < MAX_BATCH_BYTES {
        let Ok(line) = lines.try_recv() else { break };
        n_bytes += line.ndjson.len();
        batch.push(line);
    }
    batch
}

/// A line as it is published, its end included; `None` when it is too long.
fn ndjson(line: &[u8]) -> Option<String> {
    #[derive(Serialize)]
    struct Line<'a> {
        data: &'a str,
    }
    let data = String::from_utf8_lossy(line);
    let mut json = serde_json::to_string(&Line { data: &data }).expect("a string always has a JSON form");
    json.push('\n');
    (json.len() <= MAX_LINE_BYTES).then_some(json)
}

/// Publishes a batch in order, by halves where the server finds it too large. A line that is too large
/// by itself is skipped, and said to be.
async fn publish_all(publisher: &Publisher, batch: Vec<Outgoing>) -> Result<(), Failure> {
    // The next part is the last one.
    let mut parts = vec![batch];
    while let Some(mut part) = parts.pop() {
        let body = part.iter().map(|line| line.ndjson.as_str()).collect();
        let Taken::TooLarge(why) = publish(publisher, body).await? else { continue };
        if let [line] = &part[..] {
            say(&format!("line {} is not published: {why}", line.number));
            continue;
        }
        let second_half = part.split_off(part.len() / 2);
        parts.extend([second_half, part]);
    }
    Ok(())
}

/// What became of a body that the server has looked at.
enum Taken {
    All,
    /// Nothing of it was published.
    TooLarge(String),
}

/// Publishes a body, however long that takes. Says once that it has to wait.
async fn publish(publisher: &Publisher, body: String) -> Result<Taken, Failure> {
    let mut attempt = 0;
    loop {
        match publisher.publish_lines(body.clone()).await {
            Ok(()) => {
                if attempt > 0 {
                    say("the server is there again");
                }
                return Ok(Taken::All);
            }
            Err(PublishFailure::TooLarge(why)) => return Ok(Taken::TooLarge(why)),
            Err(PublishFailure::Refused(why)) => return Err(Failure::of(why)),
            Err(PublishFailure::Unavailable { why, retry_after }) => {
                attempt += 1;
                if attempt == 1 {
                    say(&format!("{why}; waiting for it"));
                }
                let delay = Backoff::default().delay(attempt, environment::random_unit());
                // On top of what the server asks for, so that its clients do not come back as one.
                tokio::time::sleep(retry_after.unwrap_or_default() + delay).await;
            }
        }
    }
}

async fn read_lines(mut input: impl AsyncBufRead + Unpin, lines: mpsc::Sender<Outgoing>) -> Result<(), Failure> {
    let mut number = 0_u64;
    loop {
        number += 1;
        let line = next_line(&mut input).await.map_err(|err| Failure::new("cannot read standard input", &err))?;
        let ndjson = match line {
            None => return Ok(()),
            Some(Line::TooLong) => None,
            Some(Line::Whole(bytes)) => ndjson(&bytes),
        };
        let Some(ndjson) = ndjson else {
            say(&format!("line {number} takes more than {MAX_LINE_BYTES} bytes and is not published"));
            continue;
        };
        if lines.send(Outgoing { number, ndjson }).await.is_err() {
            return Ok(());
        }
    }
}

#[derive(Debug, PartialEq)]
enum Line {
    Whole(Vec<u8>),
    TooLong,
}

/// The next line, without its end. Never holds more of it than may be published.
async fn next_line(input: &mut (impl AsyncBufRead + Unpin)) -> std::io::Result<Option<Line>> {
    let mut line = Vec::new();
    let mut is_too_long = false;
    let mut is_empty = true;
    loop {
        let ready = input.fill_buf().await?;
        if ready.is_empty() {
            break;
        }
        is_empty = false;
        let end = ready.iter().position(|byte| *byte == b'\n');
        let part = &ready[..end.unwrap_or(ready.len())];
        if line.len() + part.len() > MAX_LINE_BYTES {
            is_too_long = true;
            line = Vec::new();
        } else if !is_too_long {
            line.extend_from_slice(part);
        }
        let n_read = end.map_or(ready.len(), |end| end + 1);
        input.consume(n_read);
        if end.is_some() {
            break;
        }
    }
    if is_empty {
        return Ok(None);
    }
    if is_too_long {
        return Ok(Some(Line::TooLong));
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(Some(Line::Whole(line)))
}

fn say(sentence: &str) {
    // Nothing can be done about a standard error that is closed.
    let _ = writeln!(std::io::stderr(), "heartwire pipe: {sentence}");
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines(input: &[u8]) -> Vec<Line> {
        // A tiny buffer cuts lines everywhere.
        let mut input = BufReader::with_capacity(3, input);
        let mut lines = Vec::new();
        while let Some(line) = next_line(&mut input).await.unwrap() {
            lines.push(line);
        }
        lines
    }

    #[tokio::test]
    async fn lines_come_without_their_ends_and_the_last_one_needs_none() {
        let whole = |text: &str| Line::Whole(text.into());
        assert_eq!(lines(b"").await, []);
        assert_eq!(lines(b"one\ntwo\r\n\nlast").await, [whole("one"), whole("two"), whole(""), whole("last")]);
        assert_eq!(lines(b"\n").await, [whole("")]);
    }

    #[test]
    fn a_line_is_published_as_text_whatever_its_bytes_are() {
        assert_eq!(ndjson(b"a \"b\" \xff").as_deref(), Some("{\"data\":\"a \\\"b\\\" \u{fffd}\"}\n"));
        assert_eq!(ndjson(&[1; MAX_LINE_BYTES / 2]), None, "six bytes for each control character");
    }

    #[tokio::test]
    async fn a_line_that_is_too_long_is_skipped_whole() {
        let mut input = vec![b'x'; MAX_LINE_BYTES + 1];
        input.extend(b"\nnext\n");
        assert_eq!(lines(&input).await, [Line::TooLong, Line::Whole("next".into())]);
        let longest = vec![b'x'; MAX_LINE_BYTES];
        assert_eq!(lines(&longest).await, [Line::Whole(longest)]);
    }
}
