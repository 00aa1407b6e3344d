//! What is published: JSON events such as real applications send, drawn from a seed.
//!
//! Four kinds take turns at random: the progress of a download, the state of a queue, a message of a
//! chat, the progress of a summary. As in an application, a few downloads, chats and summaries are
//! under way at a time, and each is told about again and again until it is done.
//! A payload has 150 to 250 bytes, with its stamp at the end.

use std::ops::RangeInclusive;

use fastrand::Rng;

use crate::stamp::{STAMP_BYTES, Stamp};

/// The length of a payload.
pub(crate) const PAYLOAD_BYTES: RangeInclusive<usize> = 150..=250;

/// The same events in every run and for every peer.
const SEED: u64 = 0x4865_6172_7477_6972;
const WORDS: [&str; 40] = [
    "the",
    "first",
    "part",
    "of",
    "report",
    "shows",
    "that",
    "most",
    "readers",
    "prefer",
    "short",
    "answers",
    "and",
    "clear",
    "figures",
    "we",
    "can",
    "compare",
    "both",
    "versions",
    "before",
    "Friday",
    "if",
    "nobody",
    "minds",
    "thanks",
    "for",
    "checking",
    "it",
    "again",
    "later",
    "today",
    "server",
    "was",
    "restarted",
    "twice",
    "but",
    "nothing",
    "got",
    "lost",
];
const STAGES: [&str; 5] = ["fetching", "transcribing", "segmenting", "summarising", "reviewing"];
const FILES: [&str; 6] = ["lecture-04", "holiday", "backup-2026-03", "interview", "dataset", "keynote"];
const EXTENSIONS: [&str; 4] = ["mp4", "zip", "tar.gz", "mkv"];

/// How many downloads, chats and summaries are under way at a time.
const N_DOWNLOADS: usize = 8;
const N_CHATS: usize = 6;
const N_SUMMARIES: usize = 4;

/// Draws payloads one after another.
pub(crate) struct Payloads {
    rng: Rng,
    downloads: [Download; N_DOWNLOADS],
    chats: [u64; N_CHATS],
    summaries: [Summary; N_SUMMARIES],
    n_done: u32,
}

struct Download {
    id: u32,
    file: &'static str,
    extension: &'static str,
    done_bytes: u64,
    total_bytes: u64,
}

struct Summary {
    video: u64,
    per_mille: u16,
}

impl Payloads {
    pub(crate) fn new() -> Self {
        let mut rng = Rng::with_seed(SEED);
        Self {
            downloads: std::array::from_fn(|_| Download::draw(&mut rng)),
            chats: std::array::from_fn(|_| rng.u64(..)),
            summaries: std::array::from_fn(|_| Summary::draw(&mut rng)),
            n_done: 0,
            rng,
        }
    }

    /// The next payload, marked with `stamp`.
    pub(crate) fn next(&mut self, stamp: Stamp) -> String {
        // A text member at the end of what is drawn takes up the slack.
        let (mut json, text_member) = match self.rng.u8(..4) {
            0 => (self.download(), "status"),
            1 => (self.queue(), "note"),
            2 => (self.chat(), "content"),
            _ => (self.summary(), "message"),
        };
        let tail_bytes = r#","":"","#.len() + text_member.len() + STAMP_BYTES + "}".len();
        let length = self.rng.usize(PAYLOAD_BYTES).max(json.len() + tail_bytes);
        let text = self.words(length - json.len() - tail_bytes);
        json += &format!(r#","{text_member}":"{text}",{}}}"#, stamp.to_json_member());
        json
    }

    fn download(&mut self) -> String {
        let download = &mut self.downloads[self.rng.usize(..N_DOWNLOADS)];
        if download.done_bytes == download.total_bytes {
            *download = Download::draw(&mut self.rng);
            self.n_done += 1;
        }
        let speed = self.rng.u64(1_000_000..90_000_000);
        download.done_bytes = (download.done_bytes + speed).min(download.total_bytes);
        let Download { id, file, extension, done_bytes, total_bytes } = download;
        let eta = (*total_bytes - *done_bytes) / speed;
        format!(
            r#"{{"type":"progress","id":"{id:08x}","file":"{file}.{extension}","bytes":{done_bytes},"total":{total_bytes},"speed":{speed},"eta":{eta}"#
        )
    }

    fn queue(&mut self) -> String {
        let (active, pending, done) = (self.rng.usize(..N_DOWNLOADS), self.rng.u16(..400), self.n_done);
        let (first, second) = (&self.downloads[self.rng.usize(..N_DOWNLOADS)], &self.downloads[0]);
        let (first, second) = (first.id, second.id);
        format!(
            r#"{{"type":"queue_update","active":{active},"pending":{pending},"done":{done},"next":["{first:08x}","{second:08x}"]"#
        )
    }

    fn chat(&mut self) -> String {
        let (session, message) = (self.chats[self.rng.usize(..N_CHATS)], self.rng.u32(..));
        let user = session % 500;
        format!(r#"{{"type":"chat_message","session":"{session:016x}","id":"{message:08x}","user":"user-{user}""#)
    }

    fn summary(&mut self) -> String {
        let summary = &mut self.summaries[self.rng.usize(..N_SUMMARIES)];
        if summary.per_mille == 1_000 {
            *summary = Summary::draw(&mut self.rng);
        }
        summary.per_mille = (summary.per_mille + self.rng.u16(1..30)).min(1_000);
        let (video, percent) = (summary.video, f64::from(summary.per_mille) / 10.0);
        let stage = STAGES[usize::from(summary.per_mille) * (STAGES.len() - 1) / 1_000];
        format!(r#"{{"type":"summary_progress","video":"{video:011x}","stage":"{stage}","percent":{percent:.1}"#)
    }

    /// Words up to exactly `length` bytes; the last one may be cut.
    fn words(&mut self, length: usize) -> String {
        let mut text = String::new();
        while text.len() < length {
            text += one_of(&mut self.rng, &WORDS);
            text.push(' ');
        }
        text.truncate(length);
        text
    }
}

impl Download {
    fn draw(rng: &mut Rng) -> Self {
        Self {
            id: rng.u32(..),
            file: one_of(rng, &FILES),
            extension: one_of(rng, &EXTENSIONS),
            done_bytes: 0,
            total_bytes: rng.u64(1 << 28..1 << 33),
        }
    }
}

impl Summary {
    fn draw(rng: &mut Rng) -> Self {
        Self { video: rng.u64(..1 << 44), per_mille: 0 }
    }
}

fn one_of(rng: &mut Rng, choices: &[&'static str]) -> &'static str {
    choices[rng.usize(..choices.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_payload_is_json_of_the_right_length_with_its_stamp_at_the_end() {
        let mut payloads = Payloads::new();
        for number in 0..1_000 {
            let stamp = Stamp { number, at_us: 5 };
            let payload = payloads.next(stamp);
            assert!(PAYLOAD_BYTES.contains(&payload.len()), "{} bytes: {payload}", payload.len());
            assert!(payload.ends_with(&(stamp.to_json_member() + "}")));
            serde_json::from_str::<serde_json::Value>(&payload).expect(&payload);
        }
    }

    #[test]
    fn they_are_the_same_in_every_run_and_differ_from_each_other() {
        let draw = || {
            let mut payloads = Payloads::new();
            [0; 100].map(|number| payloads.next(Stamp { number, at_us: 0 }))
        };
        let mut drawn = draw();
        assert_eq!(drawn, draw());
        drawn.sort();
        assert!(drawn.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
