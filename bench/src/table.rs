//! The results as Markdown: one row for each figure, one column for each peer.

use std::fmt::Write as _;

use crate::metric::{Metric, figure};
use crate::peers::Peer;
use crate::results::{OwnCompressorCost, PeerResults, Results};

/// Where the table stands in a page that is otherwise written by hand.
const BEGIN: &str = "<!-- bench: begin -->\n";
const END: &str = "<!-- bench: end -->\n";

/// The table, and below it what one must know to read it.
pub(crate) fn markdown(results: &Results) -> String {
    let mut text = format!("{}.\n\n", results.circumstances());
    write_goals(results, &mut text);
    write_table(results, &mut text);
    text += "\nEach cell: the median of all rounds, the best of them in parentheses where they differ, and how many \
             times better Heartwire is by that figure (below 1: worse).\n\n";
    for peer in &results.peers {
        write_peer(peer, &mut text);
    }
    for (peer, reason) in &results.skipped {
        writeln_to(&mut text, format_args!("- {}: left out, {reason}", peer.title()));
    }
    text
}

/// `page` with the table between its markers; `None` when it has none.
pub(crate) fn insert(page: &str, table: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}{table}{END}{after}"))
}

/// What we want to reach, and whether we do.
fn write_goals(results: &Results, text: &mut String) {
    let reached: Vec<_> = Metric::all().into_iter().filter_map(|metric| goal_row(results, metric)).collect();
    if reached.is_empty() {
        return;
    }
    *text += "| goals of heartwire | goal | measured | |\n|---|---:|---:|---|\n";
    reached.iter().for_each(|row| *text += row);
    *text += "\n";
}

fn goal_row(results: &Results, metric: Metric) -> Option<String> {
    let (goal, measured) = (results.goal(metric)?, results.of(Peer::Heartwire)?.median(metric)?);
    let verdict = match metric.ratio(measured, goal)? {
        ratio if ratio >= 1.0 => "reached".into(),
        ratio => format!("missed by {:.0} %", (1.0 / ratio - 1.0) * 100.0),
    };
    let (title, unit) = (metric.title(&results.plan), metric.unit());
    Some(format!("| {title} ({unit}) | {} | {} | {verdict} |\n", figure(goal), figure(measured)))
}

fn write_table(results: &Results, text: &mut String) {
    let titles: Vec<_> = results.peers.iter().map(|peer| peer.peer.title()).collect();
    writeln_to(text, format_args!("| | {} | goal |", titles.join(" | ")));
    writeln_to(text, format_args!("|---|{}---:|", "---:|".repeat(titles.len())));
    for metric in Metric::all() {
        let cells: Vec<_> = results.peers.iter().map(|peer| cell(results, metric, peer)).collect();
        if cells.iter().all(|cell| cell == NOTHING) {
            continue;
        }
        let title = metric.title(&results.plan);
        let goal = results.goal(metric).map_or_else(String::new, figure);
        writeln_to(text, format_args!("| {title} ({}) | {} | {goal} |", metric.unit(), cells.join(" | ")));
    }
}

const NOTHING: &str = "–";

fn cell(results: &Results, metric: Metric, peer: &PeerResults) -> String {
    let (Some(median), Some(best)) = (peer.median(metric), peer.best(metric)) else { return NOTHING.into() };
    let mut cell = figure(median);
    if figure(best) != cell {
        cell += &format!(" ({})", figure(best));
    }
    if let Some(ratio) = results.ratio(metric, peer) {
        cell += &format!(", {}×", figure(ratio));
    }
    cell
}

fn write_peer(results: &PeerResults, text: &mut String) {
    let PeerResults { peer, version, generator_cpu, own_compressor, remarks, .. } = results;
    let mut line = format!("- {}: {version}", peer.title());
    let shares: Vec<_> = generator_cpu.iter().map(|(load, share)| format!("{share:.0} % {load}")).collect();
    if !shares.is_empty() {
        line += &format!("; the load generator took at most {} of a core", shares.join(", "));
    }
    if let Some(OwnCompressorCost { ratio, state_bytes, cpu_us }) = own_compressor {
        let kib = state_bytes / 1024;
        line +=
            &format!("; a zlib per connection: {ratio:.1} times smaller, {kib} KiB each, {cpu_us:.1} µs a delivery");
    }
    writeln_to(text, format_args!("{line}"));
    for remark in remarks {
        writeln_to(text, format_args!("  - {remark}"));
    }
}

fn writeln_to(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("a string takes any text");
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::machine::Machine;
    use crate::metric::Size;
    use crate::plan::Plan;

    pub(crate) fn results() -> Results {
        let mut ours = PeerResults::new(Peer::Heartwire, "heartwire 1.2.3".into());
        let mut theirs = PeerResults::new(Peer::Axum, "axum 0.8".into());
        for round in 0..3 {
            ours.add(Metric::Open, 0.5 + f64::from(round));
            theirs.add(Metric::Open, 3.0);
            theirs.add(Metric::Flood, 500_000.0);
        }
        theirs.generator_cpu = BTreeMap::from([("flood", 97.3)]);
        theirs.remark("it fell behind".into());
        theirs.remark("it fell behind".into());
        let machine = Machine {
            cores: 2,
            processor: "Some <Processor>".into(),
            memory_gib: 24.0,
            kernel: "6.1".into(),
            commit: "abc".into(),
            measured_at: 0,
        };
        let skipped = vec![(Peer::Nchan, "nginx is not installed".to_owned())];
        Results { machine, plan: Plan::full(), peers: vec![ours, theirs], skipped }
    }

    #[test]
    fn a_row_has_medians_bests_ratios_and_the_goal() {
        let table = markdown(&results());
        assert!(table.contains("| 10,000 connections opened (s) | 1.50 (0.50) | 3.00, 2.00× | 1.00 |"), "{table}");
        assert!(table.contains("32 in flight (/s) | – | 500,000 | 500,000 |"), "{table}");
        assert!(!table.contains("latency"), "no row without a figure: {table}");
    }

    #[test]
    fn each_goal_says_whether_it_is_reached() {
        let mut results = results();
        results.peers[0].add(Metric::Memory(Size::Large), 1.2);
        let table = markdown(&results);
        assert!(table.contains("| memory per idle stream, 10,000 streams (KiB) | 1.50 | 1.20 | reached |"), "{table}");
        assert!(table.contains("| 10,000 connections opened (s) | 1.00 | 1.50 | missed by 50 % |"), "{table}");
        assert!(!table.contains("| deliveries per second, 1,000 readers, 32 in flight (/s) | 500,000 | –"), "{table}");
    }

    #[test]
    fn what_went_wrong_is_told_once() {
        let table = markdown(&results());
        assert_eq!(table.matches("it fell behind").count(), 1);
        assert!(table.contains("- nchan: left out, nginx is not installed"));
        assert!(table.contains("at most 97 % flood of a core"));
    }

    #[test]
    fn the_table_goes_between_its_markers_and_nowhere_else() {
        let page = format!("before\n{BEGIN}old\n{END}after\n");
        assert_eq!(insert(&page, "new\n"), Some(format!("before\n{BEGIN}new\n{END}after\n")));
        assert_eq!(insert("no markers", "new"), None);
    }
}
