//! What is measured: the name, the unit and the direction of each figure, and the goal where
//! there is one.

use crate::plan::Plan;

/// One of the three sizes of a crowd.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Size {
    Small,
    Medium,
    Large,
}

impl Size {
    pub(crate) const ALL: [Self; 3] = [Self::Small, Self::Medium, Self::Large];

    fn id(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Medium => "medium",
            Self::Large => "large",
        }
    }

    pub(crate) fn readers(self, plan: &Plan) -> usize {
        match self {
            Self::Small => plan.small,
            Self::Medium => plan.medium,
            Self::Large => plan.large,
        }
    }
}

/// A load under which latency is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Load {
    /// The medium crowd at many events a second.
    Busy,
    /// The same, compressed.
    Gzip,
    /// The same number of deliveries per second to a crowd of this size.
    Growth(Size),
}

/// Which part of the latencies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Percentile {
    P50,
    P99,
    P999,
}

/// A figure that each round yields for each peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Metric {
    /// KiB of user-space memory per idle stream.
    Memory(Size),
    /// The same for the medium crowd, compressed.
    MemoryGzip,
    /// Seconds until the large crowd is connected.
    Open,
    /// Processor time of the server in per cent of one core, with idle streams and heartbeats.
    IdleCpu,
    /// Microseconds of the server's processor time per delivery.
    Cpu(Load),
    /// Deliveries per second with few events in flight.
    Flood,
    /// Milliseconds from publish to read.
    Latency(Load, Percentile),
    /// Bytes per event on the wire.
    WirePlain,
    /// The same where the server compresses.
    WireGzip,
    /// The same for those who join when the stream is under way, over the first events that they get.
    WireGzipLate,
    /// The same if each connection had a compressor of its own: computed from the plain stream.
    WireOwn,
}

impl Metric {
    /// All of them, in the order of the table.
    pub(crate) fn all() -> Vec<Self> {
        use Percentile::{P50, P99, P999};
        let large = Load::Growth(Size::Large);
        let mut all = vec![Self::Memory(Size::Medium), Self::Memory(Size::Large), Self::IdleCpu, Self::Open];
        all.extend([Self::Cpu(Load::Busy), Self::Flood]);
        all.extend([large, Load::Busy].into_iter().flat_map(|load| [P50, P99, P999].map(|p| Self::Latency(load, p))));
        all.extend(Size::ALL.map(|size| Self::Cpu(Load::Growth(size))));
        // The large one stands above already.
        all.extend([Size::Small, Size::Medium].map(|size| Self::Latency(Load::Growth(size), P99)));
        all.extend([Self::WirePlain, Self::WireGzip, Self::WireGzipLate, Self::WireOwn]);
        all.extend([Self::MemoryGzip, Self::Cpu(Load::Gzip), Self::Latency(Load::Gzip, P99)]);
        all
    }

    /// What a program calls it.
    pub(crate) fn id(self) -> String {
        match self {
            Self::Memory(size) => format!("memory_{}", size.id()),
            Self::MemoryGzip => "memory_gzip".into(),
            Self::Open => "open".into(),
            Self::IdleCpu => "idle_cpu".into(),
            Self::Cpu(load) => format!("cpu_{}", load.id()),
            Self::Flood => "flood".into(),
            Self::Latency(load, percentile) => format!("latency_{}_{}", load.id(), percentile.title()),
            Self::WirePlain => "wire_plain".into(),
            Self::WireGzip => "wire_gzip".into(),
            Self::WireGzipLate => "wire_gzip_late".into(),
            Self::WireOwn => "wire_own".into(),
        }
    }

    /// What a person calls it, with the sizes of this run.
    pub(crate) fn title(self, plan: &Plan) -> String {
        match self {
            Self::Memory(size) => format!("memory per idle stream, {} streams", count(size.readers(plan))),
            Self::MemoryGzip => format!("memory per idle stream with gzip, {} streams", count(plan.medium)),
            Self::Open => format!("{} connections opened", count(plan.large)),
            Self::IdleCpu => {
                let seconds = plan.idle.as_secs();
                format!("CPU of {} idle streams, heartbeats every {seconds} s", count(plan.large))
            }
            Self::Cpu(load) => format!("server CPU per delivery, {}", load.title(plan)),
            Self::Flood => {
                format!("deliveries per second, {} readers, {} in flight", count(plan.medium), plan.flood_window)
            }
            Self::Latency(load, percentile) => format!("{} latency, {}", percentile.title(), load.title(plan)),
            Self::WirePlain => "bytes per event on the wire, plain".into(),
            Self::WireGzip => "bytes per event on the wire, gzip".into(),
            Self::WireGzipLate => "bytes per event on the wire, gzip, just joined".into(),
            Self::WireOwn => "bytes per event with a zlib per connection (computed)".into(),
        }
    }

    pub(crate) fn unit(self) -> &'static str {
        match self {
            Self::Memory(_) | Self::MemoryGzip => "KiB",
            Self::Open => "s",
            Self::IdleCpu => "%",
            Self::Cpu(_) => "µs",
            Self::Flood => "/s",
            Self::Latency(..) => "ms",
            Self::WirePlain | Self::WireGzip | Self::WireGzipLate | Self::WireOwn => "B",
        }
    }

    pub(crate) fn is_better_when_higher(self) -> bool {
        self == Self::Flood
    }

    /// The goals that are figures of their own, at the full sizes.
    pub(crate) fn goal(self, plan: &Plan) -> Option<f64> {
        let goal = match self {
            Self::Memory(Size::Large) => 1.5,
            Self::Open => 1.0,
            Self::Latency(Load::Growth(Size::Large), Percentile::P99) => 80.0,
            _ => return None,
        };
        (!plan.is_quick).then_some(goal)
    }

    /// The better of two values.
    pub(crate) fn better(self, one: f64, other: f64) -> f64 {
        if self.is_better_when_higher() { one.max(other) } else { one.min(other) }
    }

    /// How many times better ours is than theirs; below one, how much worse.
    pub(crate) fn ratio(self, ours: f64, theirs: f64) -> Option<f64> {
        let ratio = if self.is_better_when_higher() { ours / theirs } else { theirs / ours };
        (ratio.is_finite() && ratio > 0.0).then_some(ratio)
    }
}

impl Load {
    /// Events per second and readers.
    pub(crate) fn shape(self, plan: &Plan) -> (f64, usize) {
        match self {
            Self::Busy | Self::Gzip => (plan.busy_rate, plan.medium),
            Self::Growth(size) => (plan.growth_rate(size.readers(plan)), size.readers(plan)),
        }
    }

    fn id(self) -> String {
        match self {
            Self::Busy => "busy".into(),
            Self::Gzip => "gzip".into(),
            Self::Growth(size) => format!("growth_{}", size.id()),
        }
    }

    pub(crate) fn title(self, plan: &Plan) -> String {
        let (rate, n_readers) = self.shape(plan);
        let gzip = if self == Self::Gzip { ", gzip" } else { "" };
        format!("{} readers × {rate}/s{gzip}", count(n_readers))
    }
}

impl Percentile {
    fn title(self) -> &'static str {
        match self {
            Self::P50 => "p50",
            Self::P99 => "p99",
            Self::P999 => "p99.9",
        }
    }
}

/// A whole number with its thousands apart: `10,000`.
pub(crate) fn count(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Three digits that mean something.
pub(crate) fn figure(value: f64) -> String {
    match value.abs() {
        magnitude if magnitude >= 10_000.0 => count((value / 1_000.0).round() as usize * 1_000),
        magnitude if magnitude >= 99.95 => count(value.round() as usize),
        magnitude if magnitude >= 9.995 => format!("{value:.1}"),
        magnitude if magnitude >= 0.0995 || magnitude == 0.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits() {
        let check = |value, expected: &str| assert_eq!(figure(value), expected);
        check(0.0, "0.00");
        check(0.0123, "0.012");
        check(1.234, "1.23");
        check(9.999, "10.0");
        check(17.64, "17.6");
        check(99.96, "100");
        check(1_234.4, "1,234");
        check(528_123.0, "528,000");
    }

    #[test]
    fn a_ratio_above_one_means_that_ours_is_better() {
        assert_eq!(Metric::Open.ratio(2.0, 8.0), Some(4.0));
        assert_eq!(Metric::Flood.ratio(800.0, 200.0), Some(4.0));
        assert_eq!(Metric::Open.ratio(0.0, 8.0), None);
    }

    #[test]
    fn no_two_rows_of_the_table_have_the_same_name() {
        for plan in [Plan::full(), Plan::quick()] {
            let mut titles: Vec<_> = Metric::all().into_iter().map(|metric| metric.title(&plan)).collect();
            titles.sort();
            assert!(titles.windows(2).all(|pair| pair[0] != pair[1]), "{titles:#?}");
        }
    }
}
