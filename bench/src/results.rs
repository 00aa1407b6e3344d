//! Everything that one run has found out, as it goes into `results.json`, the table and the picture.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use crate::machine::Machine;
use crate::metric::{Load, Metric};
use crate::peers::Peer;
use crate::plan::Plan;
use crate::samples::median;

/// One run.
#[derive(Debug, Serialize)]
pub(crate) struct Results {
    pub(crate) machine: Machine,
    pub(crate) plan: Plan,
    /// In the order of the table.
    pub(crate) peers: Vec<PeerResults>,
    /// Those that this machine could not run, and why.
    pub(crate) skipped: Vec<(Peer, String)>,
}

/// What it would take to compress each connection by itself.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct OwnCompressorCost {
    /// How many times smaller the stream becomes.
    pub(crate) ratio: f64,
    /// For each connection.
    pub(crate) state_bytes: u64,
    /// For each delivery.
    pub(crate) cpu_us: f64,
}

/// What one peer came to.
#[derive(Debug, Serialize)]
pub(crate) struct PeerResults {
    pub(crate) peer: Peer,
    pub(crate) version: String,
    /// One value for each round.
    #[serde(serialize_with = "as_rows")]
    pub(crate) values: BTreeMap<Metric, Vec<f64>>,
    /// The highest share of one core that the load generator took, in per cent, by load.
    pub(crate) generator_cpu: BTreeMap<&'static str, f64>,
    /// What a compressor for each connection would make of this peer's plain stream.
    pub(crate) own_compressor: Option<OwnCompressorCost>,
    /// What went wrong, in sentences.
    pub(crate) remarks: Vec<String>,
}

impl Results {
    pub(crate) fn of(&self, peer: Peer) -> Option<&PeerResults> {
        self.peers.iter().find(|results| results.peer == peer)
    }

    /// How many times better ours is than a peer by this figure; `None` for ours itself.
    pub(crate) fn ratio(&self, metric: Metric, theirs: &PeerResults) -> Option<f64> {
        let ours = self.of(Peer::Heartwire).filter(|_| theirs.peer != Peer::Heartwire)?;
        metric.ratio(ours.median(metric)?, theirs.median(metric)?)
    }

    /// What we want to reach: a figure, or what follows from others of this very run.
    pub(crate) fn goal(&self, metric: Metric) -> Option<f64> {
        let of = |peer, metric| self.of(peer)?.median(metric);
        match metric {
            Metric::Flood => of(Peer::Axum, metric),
            // Within a tenth of the floor.
            Metric::Cpu(Load::Busy) => of(Peer::Bare, metric).map(|floor| floor * 1.1),
            // Compressing once costs no more than not compressing.
            Metric::Cpu(Load::Gzip) => of(Peer::Heartwire, Metric::Cpu(Load::Busy)),
            // Nine tenths of what a compressor for each connection would save.
            Metric::WireGzip => of(Peer::Heartwire, Metric::WireOwn).map(|own| own / 0.9),
            _ => metric.goal(&self.plan),
        }
    }

    /// The machine and the run in a few lines of text.
    pub(crate) fn circumstances(&self) -> String {
        let Machine { cores, processor, memory_gib, kernel, commit, .. } = &self.machine;
        let (kind, rounds) = (if self.plan.is_quick { "quick run" } else { "full run" }, self.plan.rounds);
        let rounds = if rounds == 1 { "one round".into() } else { format!("{rounds} rounds") };
        let day = self.machine.day();
        format!(
            "{day}, commit {commit}, {kind}, {rounds}; {cores} cores ({processor}), {memory_gib:.0} GiB, Linux {kernel}"
        )
    }
}

impl PeerResults {
    pub(crate) fn new(peer: Peer, version: String) -> Self {
        Self {
            peer,
            version,
            values: BTreeMap::new(),
            generator_cpu: BTreeMap::new(),
            own_compressor: None,
            remarks: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, metric: Metric, value: f64) {
        self.values.entry(metric).or_default().push(value);
    }

    pub(crate) fn add_generator_cpu(&mut self, load: &'static str, per_cent: f64) {
        let highest = self.generator_cpu.entry(load).or_default();
        *highest = highest.max(per_cent);
    }

    /// Says it once, however many rounds it happens in.
    pub(crate) fn remark(&mut self, remark: String) {
        if !self.remarks.contains(&remark) {
            self.remarks.push(remark);
        }
    }

    pub(crate) fn median(&self, metric: Metric) -> Option<f64> {
        median(self.values.get(&metric)?)
    }

    pub(crate) fn best(&self, metric: Metric) -> Option<f64> {
        self.values.get(&metric)?.iter().copied().reduce(|one, other| metric.better(one, other))
    }
}

fn as_rows<S: Serializer>(values: &BTreeMap<Metric, Vec<f64>>, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Row<'a> {
        unit: &'static str,
        rounds: &'a [f64],
    }
    serializer.collect_map(values.iter().map(|(metric, rounds)| (metric.id(), Row { unit: metric.unit(), rounds })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_goals_follow_from_what_the_others_reach_in_the_same_run() {
        let mut results = crate::table::tests::results();
        assert_eq!(results.goal(Metric::Cpu(Load::Busy)), None);
        let mut floor = PeerResults::new(Peer::Bare, "1".into());
        floor.add(Metric::Cpu(Load::Busy), 5.0);
        results.peers.push(floor);
        assert_eq!(results.goal(Metric::Cpu(Load::Busy)), Some(5.5));
        assert_eq!(results.goal(Metric::Flood), Some(500_000.0));
        assert_eq!(results.goal(Metric::Open), Some(1.0));
    }

    #[test]
    fn the_best_is_the_highest_only_where_higher_is_better() {
        let mut results = PeerResults::new(Peer::Axum, "1".into());
        for value in [3.0, 1.0, 2.0] {
            results.add(Metric::Open, value);
            results.add(Metric::Flood, value);
        }
        assert_eq!((results.best(Metric::Open), results.best(Metric::Flood)), (Some(1.0), Some(3.0)));
        assert_eq!(results.median(Metric::Open), Some(2.0));
        assert_eq!(results.median(Metric::IdleCpu), None);
    }
}
