//! A server leaves under load and another takes its place: nobody is lost, and nobody comes in a crowd.
//!
//! `LEAVING_READERS=1000 cargo test --release -p heartwire --test leaving -- --nocapture` prints the figures
//! of docs/operations.md.

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
    /// It was asked to leave.
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
        let told = match update {
            Update::Notice(Notice::State(State::Open)) => Told::Open,
            Update::Notice(Notice::State(State::Waiting {
                reason: Loss::Closing(ClosingReason::Draining), ..
            })) => Told::Draining,
            Update::Event(event) if event.data == "first" => Told::First,
            Update::Event(event) if event.data == "second" => Told::Second,
            _ => continue,
        };
        if tell.send((reader, told, Instant::now())).is_err() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_leaves_under_load_loses_no_reader_and_sends_no_crowd() {
    let n_readers: usize = std::env::var("LEAVING_READERS").map_or(50, |n| n.parse().unwrap());
    let window = Duration::from_secs(if n_readers >= 1_000 { 5 } else { 1 });
    let settings = ["--drain-window", if n_readers >= 1_000 { "5" } else { "1" }];
    let mut first = Process::start(&settings);
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
            if let Some(second) = Process::try_start(&address.to_string(), &settings) {
                return second;
            }
        }
    });
    readers.have_all_told(Told::First, 1).await;
    readers.have_all_told(Told::Draining, 1).await;
    let (second, ended_at) = tokio::join!(second, first.ended());
    let second = second.unwrap();
    let to_exit = ended_at - asked_at;
    let came_back = readers.have_all_told(Told::Open, 2).await;
    publish(second.address, "t", "second").await;
    readers.have_all_told(Told::Second, 1).await;

    assert!(to_exit < window + Duration::from_secs(5), "it took {to_exit:?}");
    let after: Vec<Duration> = came_back.iter().map(|at| *at - asked_at).collect();
    let mut in_second = vec![0; after.iter().max().unwrap().as_secs() as usize + 1];
    for after in &after {
        in_second[after.as_secs() as usize] += 1;
    }
    println!("{n_readers} readers: exit after {to_exit:.2?}, all back after {:.2?}", after.iter().max().unwrap());
    println!("readers that came back in each second: {in_second:?}");
    // They are let go over the window and stay away for up to as long again.
    let fullest = *in_second.iter().max().unwrap();
    assert!(n_readers < 1_000 || fullest < n_readers / 4, "a crowd: {in_second:?}");
}
