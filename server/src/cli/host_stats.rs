//! The machine's own figures, published under the topic `host` for dashboards and demonstrations.

use super::Failure;
use crate::{EventType, Hub, Topic, environment};
use serde::Serialize;
use std::ffi::OsStr;
use std::time::{Duration, Instant};
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, Networks, RefreshKind, System};
use tokio::sync::mpsc;

/// The data of one event of type `host`.
#[derive(Debug, Serialize)]
struct HostStats {
    time_ms: u64,
    /// Percent, for each core.
    cpu: Vec<f32>,
    /// Percent, over all cores.
    cpu_total: f32,
    memory_used_bytes: u64,
    memory_total_bytes: u64,
    /// All interfaces but loopback; loopback where there is no other.
    network_received_bytes_per_s: u64,
    network_sent_bytes_per_s: u64,
    load_1m: f64,
}

/// Publishes the figures every `interval` for as long as the process runs.
pub(super) fn spawn(hub: Hub, interval: Duration) -> Result<(), Failure> {
    let mut probe = Probe::new().map_err(|err| Failure::new("cannot read this machine's figures", &err))?;
    let topic = Topic::parse("host").map_err(|err| Failure::new("the topic `host`", &err))?;
    let event_type = EventType::parse("host").map_err(|err| Failure::new("the event type `host`", &err))?;
    // Reading the figures blocks, so a thread does it; room for one is enough, since old ones are worthless.
    let (figures, mut published) = mpsc::channel::<String>(1);
    std::thread::spawn(move || {
        let mut next = Instant::now();
        while !figures.is_closed() {
            // On the beat, however long the reading took: a chart with a point a second shows no other.
            next = (next + interval).max(Instant::now());
            std::thread::sleep(next - Instant::now());
            match serde_json::to_string(&probe.read()) {
                Ok(json) => drop(figures.try_send(json)),
                Err(err) => tracing::warn!(%err, "the figures have no JSON form"),
            }
        }
    });
    tokio::spawn(async move {
        while let Some(json) = published.recv().await {
            if let Err(err) = hub.publish(&topic, &event_type, &json).await {
                tracing::warn!(%err, "the machine's figures could not be published");
            }
        }
    });
    Ok(())
}

struct Probe {
    system: System,
    networks: Networks,
    read_at: Instant,
}

impl Probe {
    fn new() -> Result<Self, sysinfo::Error> {
        let (cpu, memory) = (CpuRefreshKind::nothing().with_usage(), MemoryRefreshKind::nothing().with_ram());
        let system = System::new_with_specifics(RefreshKind::nothing().with_cpu(cpu).with_memory(memory))?;
        Ok(Self { system, networks: Networks::new_with_refreshed_list()?, read_at: Instant::now() })
    }

    fn read(&mut self) -> HostStats {
        self.system.refresh_cpu_usage();
        self.system.refresh_memory();
        self.networks.refresh(true);
        let elapsed_s = self.read_at.elapsed().as_secs_f64();
        self.read_at = Instant::now();

        let only_loopback = self.networks.keys().all(|name| is_loopback(name));
        let (mut received, mut sent) = (0, 0);
        for (name, network) in &self.networks {
            if only_loopback || !is_loopback(name) {
                received += network.received();
                sent += network.transmitted();
            }
        }
        let per_second = |bytes: u64| if elapsed_s > 0.0 { (bytes as f64 / elapsed_s) as u64 } else { 0 };
        let cores: Vec<f32> = self.system.cpus().iter().map(sysinfo::Cpu::usage).collect();
        // Not the system's own total, which is read a moment later and may lie outside the cores' range.
        let total = cores.iter().sum::<f32>() / cores.len().max(1) as f32;
        let tenth = |percent: f32| (percent * 10.0).round() / 10.0;
        HostStats {
            time_ms: environment::wall_clock_ms(),
            cpu: cores.into_iter().map(tenth).collect(),
            cpu_total: tenth(total),
            memory_used_bytes: self.system.used_memory(),
            memory_total_bytes: self.system.total_memory(),
            network_received_bytes_per_s: per_second(received),
            network_sent_bytes_per_s: per_second(sent),
            load_1m: System::load_average().map_or(0.0, |load| load.one),
        }
    }
}

fn is_loopback(interface: &OsStr) -> bool {
    let name = interface.to_string_lossy();
    name == "lo" || name.starts_with("lo0") || name.contains("Loopback")
}
