//! What an event weighs on the wire, plain and with gzip, and what a compressor of its own for each
//! connection would make of the same stream.
//!
//! One reader and one publisher in step: the next event is published when the last one has been
//! read. So every event is sent by itself, as it is on a page that is not flooded.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

use crate::http::{Chunks, Head};
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

/// What a number of events weighed.
#[derive(Debug)]
pub(crate) struct Weighed {
    pub(crate) bytes_per_event: f64,
    /// Whether the server compressed the stream.
    pub(crate) is_gzip: bool,
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
    let mut payloads = Payloads::new();
    let mut text = Vec::new();
    let mut wire_bytes = 0;
    let started = Instant::now();
    for number in 0..N_WARM_UP + n_events {
        stop.check()?;
        let at_us = u64::try_from(started.elapsed().as_micros())?;
        publish(peer, address, &payloads.next(Stamp { number, at_us }))?;
        let before = reader.wire_bytes;
        let event = reader.read_to_stamp(number)?;
        if number >= N_WARM_UP {
            wire_bytes += reader.wire_bytes - before;
            text.push(event);
        }
    }
    Ok(Weighed { bytes_per_event: wire_bytes as f64 / f64::from(n_events), is_gzip: reader.is_gzip(), text })
}

impl Weighed {
    /// The same stream through a compressor that flushes after each event, so that it comes out at once.
    pub(crate) fn with_own_compressor(&self) -> Result<OwnCompressor> {
        let mut compressor = Compress::new(Compression::default(), false);
        let mut out = Vec::with_capacity(16 * 1024);
        let (mut text_bytes, mut compressed_bytes) = (0, 0);
        let started = Instant::now();
        for event in &self.text {
            out.clear();
            compressor.compress_vec(event, &mut out, FlushCompress::Sync).context("deflate")?;
            text_bytes += event.len();
            compressed_bytes += out.len();
        }
        let n_events = self.text.len() as f64;
        Ok(OwnCompressor {
            bytes_per_event: compressed_bytes as f64 / n_events,
            ratio: text_bytes as f64 / compressed_bytes as f64,
            cpu_us_per_event: started.elapsed().as_secs_f64() * 1e6 / n_events,
        })
    }
}

/// A blocking reader that counts bytes.
struct WireReader {
    socket: TcpStream,
    /// Of the body as it came: chunks, compression and all.
    wire_bytes: usize,
    chunks: Option<Chunks>,
    gzip: Option<Gunzip>,
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
        let mut reader = Self {
            socket,
            wire_bytes: 0,
            chunks: head.is_chunked.then(Chunks::default),
            gzip: head.is_gzip.then(Gunzip::default),
            finder: StampFinder::new(),
            rest: Rest::default(),
        };
        reader.take(&body, |_| ())?;
        Ok(reader)
    }

    fn is_gzip(&self) -> bool {
        self.gzip.is_some()
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
        let mut body = Vec::new();
        match &mut self.chunks {
            Some(chunks) => chunks.feed(received, &mut body)?,
            None => body.extend_from_slice(received),
        }
        if let Some(gzip) = &mut self.gzip {
            body = gzip.feed(&body)?;
        }
        let mut with_room = [&[0; StampFinder::ROOM], &body[..]].concat();
        self.finder.feed(&mut self.rest, &mut with_room, found);
        Ok(body)
    }
}

/// Opens one gzip member that has no end.
struct Gunzip {
    /// Of the member's head, which has ten bytes as every server writes it.
    head_left: usize,
    inflate: Decompress,
}

impl Default for Gunzip {
    fn default() -> Self {
        Self { head_left: 10, inflate: Decompress::new(false) }
    }
}

impl Gunzip {
    fn feed(&mut self, received: &[u8]) -> Result<Vec<u8>> {
        let n_head = self.head_left.min(received.len());
        self.head_left -= n_head;
        let mut input = &received[n_head..];
        let mut text = Vec::new();
        loop {
            text.reserve(16 * 1024);
            let (before_in, before_out) = (self.inflate.total_in(), text.len());
            self.inflate.decompress_vec(input, &mut text, FlushDecompress::Sync).context("the gzip is broken")?;
            let n_taken = usize::try_from(self.inflate.total_in() - before_in)?;
            input = &input[n_taken..];
            if n_taken == 0 && text.len() == before_out {
                return Ok(text);
            }
        }
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
        Weighed { bytes_per_event: 220.0, is_gzip: false, text: (0..500).map(event).collect() }
    }

    #[test]
    fn a_compressor_of_its_own_makes_real_events_smaller_but_not_absurdly_so() {
        let own = weighed().with_own_compressor().unwrap();
        assert!((2.0..6.0).contains(&own.ratio), "{own:?}");
    }

    #[test]
    fn a_member_without_an_end_is_opened_event_by_event_however_it_is_cut() {
        let mut compressor = Compress::new(Compression::default(), false);
        for piece in [1, 7, 10_000] {
            let mut gunzip = Gunzip::default();
            let mut member = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
            compressor.reset();
            for event in weighed().text {
                member.reserve(4096);
                compressor.compress_vec(&event, &mut member, FlushCompress::Sync).unwrap();
                let text: Vec<u8> = member.chunks(piece).flat_map(|cut| gunzip.feed(cut).unwrap()).collect();
                assert_eq!(text, event);
                member.clear();
            }
        }
    }

    #[test]
    fn the_state_of_zlib_is_a_quarter_of_a_mebibyte() {
        assert_eq!(ZLIB_STATE_BYTES, 256 * 1024);
    }
}
