//! The measurements of one peer: stages, each with a fresh server and a fresh crowd.
//!
//! A stage that fails leaves a remark instead of figures and does not keep the others from running.

use std::time::{Duration, Instant};

use anyhow::Result;
use clap::ValueEnum;

use crate::crowd::{Crowd, Delivered, Encoding};
use crate::metric::{Load, Metric, Percentile, Size, count};
use crate::peers::{Peer, Places};
use crate::plan::Plan;
use crate::proc_fs;
use crate::results::{OwnCompressorCost, PeerResults};
use crate::samples::Percentiles;
use crate::server::Server;
use crate::stop::Stop;
use crate::wire;

/// A load of which this much arrives later than its end has been too much for the server.
const LATE: Duration = Duration::from_secs(1);

/// What every stage needs.
pub(crate) struct Bench<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) places: &'a Places,
    pub(crate) stop: &'a Stop,
}

/// A part of one peer's round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Stage {
    /// Opening the large crowd; its memory; its processor time with heartbeats alone.
    Idle,
    /// A calm load on the large crowd.
    Large,
    /// Three loads on the medium one.
    Medium,
    /// A load on the small one.
    Small,
    /// The medium crowd, compressed: its memory and a load.
    Gzip,
    /// Bytes on the wire: no two rounds differ, so one is enough.
    Wire,
}

impl Stage {
    pub(crate) fn is_in_round(self, round: usize) -> bool {
        self != Self::Wire || round == 0
    }
}

impl Bench<'_> {
    /// Runs one stage and adds what it finds to `results`.
    pub(crate) fn run(&self, stage: Stage, results: &mut PeerResults) -> Result<()> {
        match stage {
            Stage::Idle => self.idle(results),
            Stage::Large => self.large(results),
            Stage::Medium => self.medium(results),
            Stage::Small => self.small(results),
            Stage::Gzip => self.gzip(results),
            Stage::Wire => self.wire(results),
        }
    }

    fn idle(&self, results: &mut PeerResults) -> Result<()> {
        let server = self.start(results.peer, self.plan.idle)?;
        let mut crowd = self.open_and_weigh(Size::Large, &server, results)?;
        if results.peer.has_heartbeats() {
            let before = server.usage()?.cpu;
            let started = Instant::now();
            crowd.rest(self.plan.idle)?;
            let share = (server.usage()?.cpu - before).as_secs_f64() / started.elapsed().as_secs_f64();
            results.add(Metric::IdleCpu, share * 100.0);
        }
        Ok(())
    }

    fn large(&self, results: &mut PeerResults) -> Result<()> {
        let server = self.start(results.peer, self.plan.heartbeat)?;
        let mut crowd = self.open(Size::Large, &server, results)?;
        self.load(Load::Growth(Size::Large), self.plan.large_load, &mut crowd, &server, results)
    }

    fn medium(&self, results: &mut PeerResults) -> Result<()> {
        let server = self.start(results.peer, self.plan.heartbeat)?;
        let mut crowd = self.open_and_weigh(Size::Medium, &server, results)?;
        self.load(Load::Growth(Size::Medium), self.plan.growth, &mut crowd, &server, results)?;
        self.flood(&mut crowd, results)?;
        // Last, since a server that it is too much for is of no more use.
        self.load(Load::Busy, self.plan.busy, &mut crowd, &server, results)
    }

    fn small(&self, results: &mut PeerResults) -> Result<()> {
        let server = self.start(results.peer, self.plan.heartbeat)?;
        let mut crowd = self.open(Size::Small, &server, results)?;
        self.load(Load::Growth(Size::Small), self.plan.growth, &mut crowd, &server, results)
    }

    /// Nothing where the server does not compress, which is its right.
    fn gzip(&self, results: &mut PeerResults) -> Result<()> {
        let server = self.start(results.peer, self.plan.heartbeat)?;
        let mut probe = Crowd::new(results.peer, server.address, 1, Encoding::Gzip, self.stop)?;
        probe.open(1)?;
        if !probe.is_gzip() {
            return Ok(());
        }
        drop(probe);
        let n_readers = Size::Medium.readers(self.plan);
        let before = server.usage()?.memory_bytes;
        let mut crowd = Crowd::new(results.peer, server.address, n_readers, Encoding::Gzip, self.stop)?;
        crowd.open(n_readers)?;
        crowd.prime()?;
        crowd.rest(self.plan.settle)?;
        let grown = server.usage()?.memory_bytes.saturating_sub(before);
        results.add(Metric::MemoryGzip, grown as f64 / 1024.0 / n_readers as f64);
        self.load(Load::Gzip, self.plan.busy, &mut crowd, &server, results)
    }

    fn wire(&self, results: &mut PeerResults) -> Result<()> {
        let server = self.start(results.peer, self.plan.heartbeat)?;
        let weigh = |gzip| wire::weigh(results.peer, server.address, self.plan.wire_events, gzip, self.stop);
        let (plain, gzip) = (weigh(false)?, weigh(true));
        let own = plain.with_own_compressor()?;
        results.add(Metric::WirePlain, plain.bytes_per_event);
        results.add(Metric::WireOwn, own.bytes_per_event);
        results.own_compressor = Some(OwnCompressorCost {
            ratio: own.ratio,
            state_bytes: wire::ZLIB_STATE_BYTES,
            cpu_us: own.cpu_us_per_event,
        });
        match gzip {
            Ok(gzip) if gzip.is_gzip => {
                results.add(Metric::WireGzip, gzip.bytes_per_event);
                if let Some(late) = gzip.late_bytes_per_event {
                    results.add(Metric::WireGzipLate, late);
                }
            }
            // It answered in plain text, which is its right.
            Ok(_) => {}
            Err(err) => results.remark(format!("with gzip: {err:#}")),
        }
        Ok(())
    }

    fn start(&self, peer: Peer, heartbeat: Duration) -> Result<Server> {
        let server = peer.start(self.places, heartbeat, self.stop)?;
        // What a server sets up at its first stream and its first event is no stream's share.
        let mut first = Crowd::new(peer, server.address, 1, Encoding::Plain, self.stop)?;
        first.open(1)?;
        first.prime()?;
        Ok(server)
    }

    fn open(&self, size: Size, server: &Server, results: &mut PeerResults) -> Result<Crowd> {
        let n_readers = size.readers(self.plan);
        let mut crowd = Crowd::new(results.peer, server.address, n_readers, Encoding::Plain, self.stop)?;
        let took = crowd.open(n_readers)?;
        if size == Size::Large {
            results.add(Metric::Open, took.as_secs_f64());
        }
        crowd.prime()?;
        Ok(crowd)
    }

    fn open_and_weigh(&self, size: Size, server: &Server, results: &mut PeerResults) -> Result<Crowd> {
        let before = server.usage()?.memory_bytes;
        let mut crowd = self.open(size, server, results)?;
        crowd.rest(self.plan.settle)?;
        let grown = server.usage()?.memory_bytes.saturating_sub(before);
        results.add(Metric::Memory(size), grown as f64 / 1024.0 / size.readers(self.plan) as f64);
        Ok(crowd)
    }

    fn load(
        &self,
        load: Load,
        span: Duration,
        crowd: &mut Crowd,
        server: &Server,
        results: &mut PeerResults,
    ) -> Result<()> {
        let (rate, _) = load.shape(self.plan);
        crowd.pace(rate, self.plan.warm_up)?;
        let before = server.usage()?.cpu;
        let generator = GeneratorShare::begin();
        let Delivered { due, delivered, took, latencies_us } = crowd.pace(rate, span)?;
        results.add_generator_cpu("paced", generator.end());
        let cpu = server.usage()?.cpu - before;

        if delivered != due {
            let (delivered, due) = (count_u64(delivered), count_u64(due));
            results.remark(format!("{}: {delivered} of {due} deliveries arrived", load.title(self.plan)));
        } else if took > span + LATE {
            results.remark(format!("{}: it fell behind", load.title(self.plan)));
        }
        if delivered > 0 {
            results.add(Metric::Cpu(load), cpu.as_secs_f64() * 1e6 / delivered as f64);
        }
        if let Some(Percentiles { p50, p99, p999 }) = Percentiles::of(latencies_us) {
            results.add(Metric::Latency(load, Percentile::P50), p50);
            results.add(Metric::Latency(load, Percentile::P99), p99);
            results.add(Metric::Latency(load, Percentile::P999), p999);
        }
        Ok(())
    }

    fn flood(&self, crowd: &mut Crowd, results: &mut PeerResults) -> Result<()> {
        let window = self.plan.flood_window;
        crowd.flood(window, self.plan.warm_up)?;
        let generator = GeneratorShare::begin();
        let Delivered { delivered, took, .. } = crowd.flood(window, self.plan.flood)?;
        results.add_generator_cpu("flood", generator.end());
        results.add(Metric::Flood, delivered as f64 / took.as_secs_f64());
        Ok(())
    }
}

/// How busy this process is between two moments.
struct GeneratorShare {
    started: Instant,
    cpu: Duration,
}

impl GeneratorShare {
    fn begin() -> Self {
        Self { started: Instant::now(), cpu: proc_fs::own_cpu() }
    }

    /// In per cent of one core.
    fn end(self) -> f64 {
        (proc_fs::own_cpu() - self.cpu).as_secs_f64() / self.started.elapsed().as_secs_f64() * 100.0
    }
}

fn count_u64(number: u64) -> String {
    count(usize::try_from(number).unwrap_or(usize::MAX))
}
