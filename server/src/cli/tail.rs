//! `heartwire tail`: prints events as they come.

use super::Failure;
use super::http::{Bearer, Trust, parse_topic, parse_url};
use super::settings::Seconds;
use crate::client::{Subscriber, SubscriberUrl, Update};
use crate::config::{ConfigError, too_long};
use clap::{Args, ValueEnum};
use heartwire_protocol::Topic;
use heartwire_protocol::backoff::Backoff;
use heartwire_protocol::connection::{Notice, Resume, Settings, State};
use reqwest::Url;
use serde::Serialize;
use std::io::Write;
use tokio::task::JoinSet;

/// Print events as they come.
///
/// Resumes after a cut, and polls where streams do not get through, as a page does. Events go to
/// standard output, a line each; states, gaps and what the server refuses go to standard error. Ends
/// on Ctrl-C, and on a request that can never succeed, such as one whose token has expired.
#[derive(Debug, Args)]
pub(super) struct TailArgs {
    /// Where the hub is, its prefix included; or the URL of a stream, as a page would open it
    #[arg(required = true, value_name = "URL", value_parser = parse_url)]
    urls: Vec<Url>,
    /// Topic to read; can be repeated
    #[arg(long = "topic", value_name = "TOPIC", value_parser = parse_topic)]
    topics: Vec<Topic>,
    /// Begin with the oldest event that is kept, and not with what comes from now on
    #[arg(long, value_name = "POINT", conflicts_with = "last_event_id")]
    from: Option<From>,
    /// Begin after the event with this id
    #[arg(long, value_name = "ID")]
    last_event_id: Option<String>,
    #[command(flatten)]
    bearer: Bearer,
    /// Print each event as a JSON object with its id, type and data
    #[arg(long)]
    json: bool,
    /// Longest delay before the first try to reconnect; it doubles with each further one
    #[arg(long, value_name = "SECONDS", default_value = "1")]
    base_reconnect_delay: Seconds,
    /// Longest delay before any try to reconnect
    #[arg(long, value_name = "SECONDS", default_value = "30")]
    max_reconnect_delay: Seconds,
    #[command(flatten)]
    trust: Trust,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum From {
    Earliest,
}

/// One line of `--json`.
#[derive(Serialize)]
struct JsonLine<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    event_type: &'a str,
    data: &'a str,
}

pub(super) async fn run(args: TailArgs) -> Result<(), Failure> {
    let resume = match (&args.last_event_id, args.from) {
        (Some(id), _) => Some(Resume::After(id.clone())),
        (None, Some(From::Earliest)) => Some(Resume::Earliest),
        (None, None) => None,
    };
    for (setting, Seconds(span)) in
        [("base_reconnect_delay", args.base_reconnect_delay), ("max_reconnect_delay", args.max_reconnect_delay)]
    {
        if let Some(problem) = too_long(span) {
            return Err(ConfigError { setting, problem }.into());
        }
    }
    let mut tails = JoinSet::new();
    for url in &args.urls {
        let url = SubscriberUrl::new(url, &args.topics).map_err(|err| Failure::of(err.to_string()))?;
        let settings = Settings {
            resume: resume.clone().unwrap_or_else(|| url.resume().clone()),
            backoff: Backoff { base_delay: args.base_reconnect_delay.0, max_delay: args.max_reconnect_delay.0 },
            seed: crate::environment::random(),
            ..Settings::default()
        };
        let (ca, headers) = (args.trust.ca.as_deref(), args.bearer.headers()?);
        let subscriber = Subscriber::with_headers(url, settings, ca, headers);
        let subscriber = subscriber.map_err(|err| Failure::of(err.to_string()))?;
        tails.spawn(tail(subscriber, args.json));
    }
    tokio::select! {
        ended = all(tails) => ended,
        _ = tokio::signal::ctrl_c() => Ok(()),
    }
}

async fn all(mut tails: JoinSet<Result<(), Failure>>) -> Result<(), Failure> {
    while let Some(ended) = tails.join_next().await {
        ended.map_err(|err| Failure::new("a subscriber broke down", &err))??;
    }
    Ok(())
}

async fn tail(mut subscriber: Subscriber, json: bool) -> Result<(), Failure> {
    let mut last_state = None;
    while let Some(update) = subscriber.next().await {
        match update {
            Update::Event(event) => {
                let line = if json {
                    let line = JsonLine { id: &event.id, event_type: &event.event_type, data: &event.data };
                    serde_json::to_string(&line).map_err(|err| Failure::new("an event has no JSON form", &err))?
                } else {
                    event.data
                };
                if writeln!(std::io::stdout(), "{line}").is_err() {
                    // Whoever read our output has gone, as in `heartwire tail ... | head`.
                    return Ok(());
                }
            }
            Update::BadFrame { id, error } => say(&format!("event {id}: {error}")),
            Update::Refused { status, code, detail } => {
                let sentence = in_one_line(&format!("{}: {detail} ({code})", subscriber.url()));
                // The request is wrong in itself, or nobody here may send it: no further one can succeed.
                if matches!(status, 400 | 401 | 403) {
                    return Err(Failure::of(sentence));
                }
                say(&sentence);
            }
            Update::Unreachable { why } => say(&in_one_line(&format!("{}: {why}", subscriber.url()))),
            Update::Notice(Notice::Gap(gap)) => {
                let from = gap.from.as_deref().unwrap_or("an unknown point");
                say(&format!("gap: events between {from} and {} are gone ({})", gap.to, gap.reason.as_str()));
            }
            Update::Notice(Notice::State(state)) => {
                last_state = Some(state);
                say(&format!("{}: {}", subscriber.url(), in_words(state)));
            }
            Update::Notice(Notice::Expiring { expires_in }) => {
                say(&format!("the token expires in {:.1} s", expires_in.as_secs_f64()));
            }
            Update::Notice(Notice::Heartbeat { .. }) => {}
        }
    }
    match last_state {
        Some(State::Closed { reason }) => {
            Err(Failure::of(format!("{}: closed: {}", subscriber.url(), reason.as_str())))
        }
        _ => Ok(()),
    }
}

fn in_words(state: State) -> String {
    match state {
        State::Connecting { attempt: 0 } => "connecting".into(),
        State::Connecting { attempt } => format!("connecting again, attempt {attempt}"),
        State::Open => "open".into(),
        State::Waiting { attempt, delay, reason } => {
            format!("waiting {:.1} s before attempt {attempt}: {}", delay.as_secs_f64(), reason.as_str())
        }
        State::Polling { reason } => format!("polling: {}", reason.as_str()),
        State::Closed { reason } => format!("closed: {}", reason.as_str()),
    }
}

/// Whatever a server wrote, it cannot end the line or give orders to the terminal.
fn in_one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

fn say(sentence: &str) {
    // Nothing can be done about a standard error that is closed.
    let _ = writeln!(std::io::stderr(), "heartwire tail: {sentence}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_wrote_stays_in_its_line() {
        assert_eq!(in_one_line("too\r\nmany \u{1b}[2Jstreams, später"), "too  many  [2Jstreams, später");
    }
}
