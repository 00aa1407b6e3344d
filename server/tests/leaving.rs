//! A server leaves under load and another takes its place: nobody is lost, and nobody comes in a crowd.
//!
//! `LEAVING_READERS=1000 cargo test --release -p heartwire --test leaving -- --nocapture` has as many readers as
//! that and the window that is the default, and prints the figures of docs/operations.md.

#![cfg(all(feature = "cli", unix))]
// To clippy, a helper of tests is no test.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

mod common;

use common::process::{Process, publish};
use heartwire::Topic;
use heartwire::client::{Subscriber, SubscriberUrl, Update};
use heartwire_protocol::connection::{Loss, Notice, Settings, State};
use heartwire_protocol::control::ClosingReason;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// What a reader tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Open,
    /// It was asked to leave. Told of the moment at which it is to come back.
    Draining,
    /// An event came that was published to the first server.
    First,
    /// An event came that was published to the second server.
    Second,
}

struct Readers {
    hear: mpsc::UnboundedReceiver<(usize, Told, Instant)>,
    told: Vec<Vec<(Told, Instant)>>,
}

impl Readers {
    fn start(n_readers: usize, address: SocketAddr) -> Self {
        let (tell, hear) = mpsc::unbounded_channel();
        for reader in 0..n_readers {
            tokio::spawn(read(address, reader, tell.clone()));
        }
        Self { hear, told: vec![Vec::new(); n_readers] }
    }

    /// Waits until each reader has told something for the `nth` time, and says when each did.
    async fn have_all_told(&mut self, what: Told, nth: usize) -> Vec<Instant> {
        let of =
            |told: &Vec<(Told, Instant)>| told.iter().filter(|(told, _)| *told == what).nth(nth - 1).map(|(_, at)| *at);
        loop {
            let told: Vec<Instant> = self.told.iter().filter_map(of).collect();
            if told.len() == self.told.len() {
                return told;
            }
            let heard = tokio::time::timeout(Duration::from_secs(90), self.hear.recv()).await;
            let Ok(Some((reader, what, at))) = heard else {
                panic!("only {} of {} readers told {what:?}", told.len(), self.told.len())
            };
            self.told[reader].push((what, at));
            while let Ok((reader, what, at)) = self.hear.try_recv() {
                self.told[reader].push((what, at));
            }
        }
    }
}

async fn read(address: SocketAddr, reader: usize, tell: mpsc::UnboundedSender<(usize, Told, Instant)>) {
    let url = format!("http://{address}/").parse().unwrap();
    let url = SubscriberUrl::new(&url, &[Topic::parse("t").unwrap()]).unwrap();
    let mut subscriber = Subscriber::new(url, Settings { seed: reader as u64, ..Settings::default() }).unwrap();
    while let Some(update) = subscriber.next().await {
        let now = Instant::now();
        let (told, at) = match update {
            Update::Notice(Notice::State(State::Open)) => (Told::Open, now),
            Update::Notice(Notice::State(State::Waiting {
                reason: Loss::Closing(ClosingReason::Draining),
                delay,
                ..
            })) => (Told::Draining, now + delay),
            Update::Event(event) if event.data == "first" => (Told::First, now),
            Update::Event(event) if event.data == "second" => (Told::Second, now),
            _ => continue,
        };
        if tell.send((reader, told, at)).is_err() {
            return;
        }
    }
}

/// How many of the moments lie in the fullest second, wherever it begins.
fn fullest_second(moments: &[Instant]) -> usize {
    let mut moments = moments.to_vec();
    moments.sort_unstable();
    let within_a_second = |(first, begin): (usize, &Instant)| {
        moments[first..].partition_point(|moment| *moment < *begin + Duration::from_secs(1))
    };
    moments.iter().enumerate().map(within_a_second).max().unwrap_or_default()
}

/// More readers than this in one second are a crowd.
///
/// A reader is to stay away for a random part of the window, on top of whatever else delays it, so it is due in a
/// given second with a chance of at most one in `window_s`. How many are is binomial, with a deviation below the root
/// of its mean: five of those above the mean are, of 200 readers and 3 s, 107, which chance reaches less than once in
/// a million runs. Without that stay some 154 of them are due in one second, since the moments at which they are let
/// go, and their own delays, are spread over a second each; and all 200 when they are let go in one moment, too.
fn crowd(n_readers: usize, window_s: u64) -> f64 {
    let mean = n_readers as f64 / window_s as f64;
    mean + 5.0 * mean.sqrt()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_leaves_under_load_loses_no_reader_and_sends_no_crowd() {
    let n_readers: usize = std::env::var("LEAVING_READERS").map_or(200, |n| n.parse().unwrap());
    let window_s: u64 = if n_readers >= 1_000 { 5 } else { 3 };
    let window = window_s.to_string();
    rlimit::increase_nofile_limit(2 * n_readers as u64 + 100).unwrap();
    let mut first = Process::start(&["--drain-window", &window]);
    let address = first.address;
    let mut readers = Readers::start(n_readers, address);
    readers.have_all_told(Told::Open, 1).await;

    // Published in the moment of leaving: with a log in memory it is the last chance to get it.
    publish(address, "t", "first").await;
    let asked_at = Instant::now();
    first.signal("-TERM");
    let second = tokio::task::spawn_blocking(move || {
        // The port is free as soon as the first server takes no more connections.
        loop {
            if let Some(second) = Process::try_start(&address.to_string(), &["--drain-window", &window]) {
                return second;
            }
        }
    });
    readers.have_all_told(Told::First, 1).await;
    let due = readers.have_all_told(Told::Draining, 1).await;
    let (second, ended_at) = tokio::join!(second, first.ended());
    let second = second.unwrap();
    let to_exit = ended_at - asked_at;
    let came_back = readers.have_all_told(Told::Open, 2).await;
    publish(second.address, "t", "second").await;
    readers.have_all_told(Told::Second, 1).await;

    let (earliest, latest) = (*came_back.iter().min().unwrap(), *came_back.iter().max().unwrap());
    let mean = n_readers as f64 / (latest - earliest).as_secs_f64();
    let fullest_due = fullest_second(&due);
    println!("{n_readers} readers, drain_window {window_s} s: exit {to_exit:.2?} after the signal; none lost");
    println!(
        "back from {:.2?} to {:.2?} after it: {mean:.0} a second, {} in the fullest, {fullest_due} due in the fullest",
        earliest - asked_at,
        latest - asked_at,
        fullest_second(&came_back),
    );
    assert!(to_exit < Duration::from_secs(window_s + 5), "it took {to_exit:?}");
    for told in &readers.told {
        let times = |what| told.iter().filter(|(told, _)| *told == what).count();
        assert_eq!((times(Told::First), times(Told::Second)), (1, 1), "each event once: {told:?}");
    }
    // When they really come is up to this machine as well, which may be busy.
    assert!((fullest_due as f64) < crowd(n_readers, window_s), "a crowd: {fullest_due} of {n_readers} in a second");
}
