//! What an event weighs on the wire, plain and with gzip, and what a compressor of its own for each
//! connection would make of the same stream.
//!
//! Readers and one publisher in step: the next event is published when the last one has been read. So
//! every event is sent by itself, as it is on a page that is not flooded. With gzip there is a small
//! company, since a server may compress once for all readers of a topic only where there are some; and
//! a few join later, since what was compressed before they came is not theirs to refer to.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use flate2::{Compress, Compression, FlushCompress};

use crate::body::Body;
use crate::http::Head;
use crate::payload::Payloads;
use crate::peers::Peer;
use crate::stamp::{Rest, Stamp, StampFinder};
use crate::stop::Stop;

/// The state of zlib's compressor at its defaults (a window of 32 KiB, memory level 8), by the
/// formula in its own `zconf.h`: `(1 << (windowBits + 2)) + (1 << (memLevel + 9))`.
pub(crate) const ZLIB_STATE_BYTES: u64 = (1 << (15 + 2)) + (1 << (8 + 9));

/// How long an event may take to come through.
const LIMIT: Duration = Duration::from_secs(3);
/// Events before the ones that count: greetings are over, and the list of readers is settled.
const N_WARM_UP: u32 = 5;
/// How many others read the same with gzip.
const N_COMPANY: usize = 7;
/// How many join late, evenly spread over the events.
const N_LATE: u32 = 4;
/// So many events of a late one count.
const N_LATE_EVENTS: u32 = 100;

/// What a number of events weighed.
#[derive(Debug)]
pub(crate) struct Weighed {
    pub(crate) bytes_per_event: f64,
    /// Whether the server compressed the stream.
    pub(crate) is_gzip: bool,
    /// Of those who join late, over the first events that they get; `None` where nobody did.
    pub(crate) late_bytes_per_event: Option<f64>,
    /// The stream without chunks and compression, from the first event that counts.
    text: Vec<Vec<u8>>,
}

/// A compressor for one connection alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OwnCompressor {
    pub(crate) bytes_per_event: f64,
    /// How many times smaller.
    pub(crate) ratio: f64,
    pub(crate) cpu_us_per_event: f64,
}

/// Weighs `n_events` as a reader gets them who accepts gzip, or does not.
pub(crate) fn weigh(peer: Peer, address: SocketAddr, n_events: u32, gzip: bool, stop: &Stop) -> Result<Weighed> {
    let mut reader = WireReader::open(peer, address, gzip)?;
    let n_company = if reader.is_gzip() { N_COMPANY } else { 0 };
    let mut company = (0..n_company).map(|_| WireReader::open(peer, address, gzip)).collect::<Result<Vec<_>>>()?;
    let mut late: Vec<Late> = Vec::new();
    let mut late_weights = Vec::new();
    let mut payloads = Payloads::new();
    let mut text = Vec::new();
    let mut wire_bytes = 0;
    let started = Instant::now();
    for number in 0..N_WARM_UP + n_events {
        stop.check()?;
        if reader.is_gzip() && number % n_events.div_ceil(N_LATE + 1) == N_WARM_UP && number > N_WARM_UP {
            late.push(Late { reader: WireReader::open(peer, address, gzip)?, n_read: 0, bytes_before: 0 });
        }
        let at_us = u64::try_from(started.elapsed().as_micros())?;
        publish(peer, address, &payloads.next(Stamp { number, at_us }))?;
        let before = reader.wire_bytes;
        let event = reader.read_to_stamp(number)?;
        if number >= N_WARM_UP {
            wire_bytes += reader.wire_bytes - before;
            text.push(event);
        }
        for other in &mut company {
            other.read_to_stamp(number)?;
        }
        for one in &mut late {
            late_weights.extend(one.read_to_stamp(number)?);
        }
        late.retain(|one| one.n_read <= N_LATE_EVENTS);
    }
    let late_bytes_per_event =
        (!late_weights.is_empty()).then(|| late_weights.iter().sum::<f64>() / late_weights.len() as f64);
    let bytes_per_event = wire_bytes as f64 / f64::from(n_events);
    Ok(Weighed { bytes_per_event, is_gzip: reader.is_gzip(), late_bytes_per_event, text })
}

/// A reader that joins when the stream is under way.
struct Late {
    reader: WireReader,
    n_read: u32,
    /// What it had got when the first event that counts came.
    bytes_before: usize,
}

impl Late {
    /// Reads the next event. With the last one that counts: bytes per event.
    fn read_to_stamp(&mut self, number: u32) -> Result<Option<f64>> {
        // The first one does not count: with it comes the greeting.
        self.reader.read_to_stamp(number)?;
        if self.n_read == 0 {
            self.bytes_before = self.reader.wire_bytes;
        }
        self.n_read += 1;
        let is_last = self.n_read == N_LATE_EVENTS + 1;
        Ok(is_last.then(|| (self.reader.wire_bytes - self.bytes_before) as f64 / f64::from(N_LATE_EVENTS)))
    }
}

impl Weighed {
    /// The same stream through a compressor that flushes after each event, so that it comes out at once,
    /// each as a chunk.
    pub(crate) fn with_own_compressor(&self) -> Result<OwnCompressor> {
        let mut compressor = Compress::new(Compression::default(), false);
        let mut out = Vec::with_capacity(16 * 1024);
        let (mut text_bytes, mut compressed_bytes) = (0, 0);
        let started = Instant::now();
        for event in &self.text {
            out.clear();
            compressor.compress_vec(event, &mut out, FlushCompress::Sync).context("deflate")?;
            text_bytes += chunk_bytes(event.len());
            compressed_bytes += chunk_bytes(out.len());
        }
        let n_events = self.text.len() as f64;
        Ok(OwnCompressor {
            bytes_per_event: compressed_bytes as f64 / n_events,
            ratio: text_bytes as f64 / compressed_bytes as f64,
            cpu_us_per_event: started.elapsed().as_secs_f64() * 1e6 / n_events,
        })
    }
}

/// What so many bytes take as a chunk of HTTP/1.1: their number in hexadecimal digits, and two line ends.
fn chunk_bytes(n_bytes: usize) -> usize {
    format!("{n_bytes:x}\r\n\r\n").len() + n_bytes
}

/// A blocking reader that counts bytes.
struct WireReader {
    socket: TcpStream,
    /// Of the body as it came: chunks, compression and all.
    wire_bytes: usize,
    body: Body,
    finder: StampFinder,
    rest: Rest,
}

impl WireReader {
    fn open(peer: Peer, address: SocketAddr, gzip: bool) -> Result<Self> {
        let mut socket = TcpStream::connect(address).context("cannot connect")?;
        socket.set_read_timeout(Some(LIMIT))?;
        let accept = if gzip { "Accept-Encoding: gzip\r\n" } else { "" };
        let path = peer.stream_path();
        let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\n{accept}\r\n");
        socket.write_all(request.as_bytes()).context("cannot ask for the stream")?;
        let (head, body) = read_head(&mut socket)?;
        anyhow::ensure!(head.status == 200, "a stream was refused with {}", head.status);
        let mut reader =
            Self { socket, wire_bytes: 0, body: Body::new(head), finder: StampFinder::new(), rest: Rest::default() };
        reader.take(&body, |_| ())?;
        Ok(reader)
    }

    fn is_gzip(&self) -> bool {
        self.body.is_gzip()
    }

    /// The text up to and with the read that brought this event.
    fn read_to_stamp(&mut self, number: u32) -> Result<Vec<u8>> {
        let mut text = Vec::new();
        let mut buffer = [0; 16 * 1024];
        let mut has_come = false;
        while !has_come {
            let n_read = self.socket.read(&mut buffer).context("an event does not come through")?;
            if n_read == 0 {
                bail!("the server closed the stream");
            }
            text.extend(self.take(&buffer[..n_read], |stamp| has_come |= stamp.number == number)?);
        }
        Ok(text)
    }

    fn take(&mut self, received: &[u8], found: impl FnMut(Stamp)) -> Result<Vec<u8>> {
        self.wire_bytes += received.len();
        let mut text = Vec::new();
        self.body.feed(received, &mut text)?;
        let mut with_room = [&[0; StampFinder::ROOM], &text[..]].concat();
        self.finder.feed(&mut self.rest, &mut with_room, found);
        Ok(text)
    }
}

/// Publishes one event over a connection of its own.
fn publish(peer: Peer, address: SocketAddr, body: &str) -> Result<()> {
    let mut socket = TcpStream::connect(address).context("cannot connect to publish")?;
    socket.set_read_timeout(Some(LIMIT))?;
    let (path, length) = (peer.publish_path(), body.len());
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    socket.write_all(request.as_bytes()).context("cannot publish")?;
    let (head, _) = read_head(&mut socket)?;
    anyhow::ensure!((200..300).contains(&head.status), "a publish was refused with {}", head.status);
    Ok(())
}

/// The head of an answer, and what came of the body with it.
fn read_head(socket: &mut TcpStream) -> Result<(Head, Vec<u8>)> {
    let mut received = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let n_read = socket.read(&mut buffer).context("no answer comes")?;
        if n_read == 0 {
            bail!("the server closed the connection instead of answering");
        }
        received.extend_from_slice(&buffer[..n_read]);
        if let Some(head) = Head::parse(&received)? {
            let body = received.split_off(head.bytes);
            return Ok((head, body));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weighed() -> Weighed {
        let mut payloads = Payloads::new();
        let event = |number| format!("data: {}\n\n", payloads.next(Stamp { number, at_us: 0 })).into_bytes();
        Weighed {
            bytes_per_event: 220.0,
            is_gzip: false,
            late_bytes_per_event: None,
            text: (0..500).map(event).collect(),
        }
    }

    #[test]
    fn a_compressor_of_its_own_makes_real_events_smaller_but_not_absurdly_so() {
        let own = weighed().with_own_compressor().unwrap();
        assert!((2.0..6.0).contains(&own.ratio), "{own:?}");
    }

    #[test]
    fn a_chunk_has_its_size_and_two_line_ends() {
        for (n_bytes, expected) in [(1, 6), (15, 20), (16, 22), (255, 261), (256, 263)] {
            assert_eq!(chunk_bytes(n_bytes), expected);
        }
    }

    #[test]
    fn the_state_of_zlib_is_a_quarter_of_a_mebibyte() {
        assert_eq!(ZLIB_STATE_BYTES, 256 * 1024);
    }
}
