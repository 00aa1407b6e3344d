//! The results as one SVG: a panel for each figure that matters, a bar for each peer, ours in
//! colour. It follows the reader's light or dark theme by itself.

use crate::metric::{Load, Metric, Percentile, Size, count, figure};
use crate::peers::Peer;
use crate::results::{PeerResults, Results};

const COLUMNS: usize = 3;
const PANEL_WIDTH: f64 = 380.0;
const MARGIN: f64 = 32.0;
const GUTTER: f64 = 28.0;
const HEADER: f64 = 122.0;
const PANEL_HEADER: f64 = 52.0;
const PANEL_FOOTER: f64 = 34.0;
const ROW: f64 = 26.0;
const BAR: f64 = 14.0;
const LABEL_WIDTH: f64 = 92.0;
const VALUE_WIDTH: f64 = 104.0;

const STYLE: &str = "
  .page { fill: #ffffff } .ink { fill: #1c2128 } .soft { fill: #68737f } .ours-text { fill: #c2184b; font-weight: 600 }
  .bar { fill: #b9c3ce } .floor { fill: none; stroke: #8b96a3 } .ours { fill: #e0245e } .track { fill: #f3f5f8 }
  .goal { stroke: #1c2128; stroke-width: 1.5; stroke-dasharray: 3 3 }
  text { font: 13px system-ui, 'Segoe UI', 'Noto Sans', sans-serif } .h1 { font-size: 24px; font-weight: 700 }
  .h2 { font-size: 14px; font-weight: 600 } .small { font-size: 11.5px }
  .value { font-variant-numeric: tabular-nums; paint-order: stroke; stroke: #ffffff; stroke-width: 4px }
  @media (prefers-color-scheme: dark) {
    .page { fill: #12161c } .ink { fill: #e8ecf1 } .soft { fill: #93a0ae } .ours-text { fill: #ff7ba3 }
    .bar { fill: #4b5868 } .floor { stroke: #7d8a99 } .ours { fill: #f4366f } .track { fill: #1a2028 }
    .goal { stroke: #e8ecf1 } .value { stroke: #12161c }
  }
";

const LEGEND: &str = "Shorter is better unless it says otherwise. In parentheses: so many times better Heartwire is \
                      (below 1: worse). Dotted: the goal. Hollow: the floor, one bare write per reader.";

/// One panel: a title, what it means, and one or several bars for each peer.
struct Panel {
    title: String,
    subtitle: String,
    metrics: Vec<Metric>,
}

/// Draws the picture.
pub(crate) fn svg(results: &Results) -> String {
    let panels: Vec<_> = panels(results)
        .into_iter()
        .filter(|panel| results.peers.iter().any(|peer| panel.metrics.iter().any(|m| peer.median(*m).is_some())))
        .collect();
    let panel_height = PANEL_HEADER + results.peers.len() as f64 * ROW + PANEL_FOOTER;
    let width = 2.0 * MARGIN + COLUMNS as f64 * PANEL_WIDTH + (COLUMNS - 1) as f64 * GUTTER;
    let height = HEADER + panels.len().div_ceil(COLUMNS) as f64 * panel_height + MARGIN;

    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" role=\"img\" aria-label=\"Heartwire beside its peers\">\n<style>{STYLE}</style>\n\
         <rect class=\"page\" width=\"100%\" height=\"100%\" rx=\"12\"/>\n"
    );
    svg += &text(MARGIN, 48.0, "ink h1", "Heartwire beside its peers");
    svg += &text(MARGIN, 72.0, "soft small", &results.circumstances());
    svg += &text(MARGIN, 91.0, "soft small", LEGEND);
    for (index, panel) in panels.iter().enumerate() {
        let x = MARGIN + (index % COLUMNS) as f64 * (PANEL_WIDTH + GUTTER);
        let y = HEADER + (index / COLUMNS) as f64 * panel_height;
        svg += &draw(panel, results, x, y);
    }
    svg + "</svg>\n"
}

fn panels(results: &Results) -> Vec<Panel> {
    let plan = &results.plan;
    let panel = |title: &str, subtitle: String, metrics: &[Metric]| Panel {
        title: title.into(),
        subtitle,
        metrics: metrics.to_vec(),
    };
    let (medium, large) = (count(plan.medium), count(plan.large));
    let large_load = Load::Growth(Size::Large);
    let sizes = Size::ALL.map(|size| count(size.readers(plan))).join(", ");
    let growth = format!("{sizes} readers, {} deliveries/s", count(plan.growth_deliveries as usize));
    let p99 = |load| Metric::Latency(load, Percentile::P99);
    vec![
        panel("Memory per idle stream", format!("KiB, {large} streams"), &[Metric::Memory(Size::Large)]),
        panel("Server CPU per delivery", format!("µs, {}", Load::Busy.title(plan)), &[Metric::Cpu(Load::Busy)]),
        panel(
            "Deliveries per second",
            format!("{medium} readers, {} events in flight; more is better", plan.flood_window),
            &[Metric::Flood],
        ),
        panel("Latency, p99, many readers", format!("ms, {}", large_load.title(plan)), &[p99(large_load)]),
        panel("Latency, p99, many events", format!("ms, {}", Load::Busy.title(plan)), &[p99(Load::Busy)]),
        panel(&format!("{large} connections opened"), "seconds, all at once".into(), &[Metric::Open]),
        panel("CPU per delivery as readers grow", format!("µs; {growth}"), &{
            Size::ALL.map(|size| Metric::Cpu(Load::Growth(size)))
        }),
        panel("p99 as readers grow", format!("ms; {growth}"), &Size::ALL.map(|size| p99(Load::Growth(size)))),
        panel(
            "Bytes per event on the wire",
            "plain, gzip where there is one, a zlib per connection".into(),
            &[Metric::WirePlain, Metric::WireGzip, Metric::WireOwn],
        ),
        panel(
            "CPU of idle streams",
            format!("% of a core, {large} streams, heartbeats every {} s", plan.idle.as_secs()),
            &[Metric::IdleCpu],
        ),
    ]
}

fn draw(panel: &Panel, results: &Results, x: f64, y: f64) -> String {
    let mut svg = text(x, y + 16.0, "ink h2", &panel.title) + &text(x, y + 34.0, "soft small", &panel.subtitle);
    let goal = match panel.metrics[..] {
        [metric] => results.goal(metric),
        _ => None,
    };
    let values = || results.peers.iter().flat_map(|peer| panel.metrics.iter().filter_map(|m| peer.median(*m)));
    let most = values().chain(goal).fold(f64::MIN_POSITIVE, f64::max);
    let scale = (PANEL_WIDTH - LABEL_WIDTH - VALUE_WIDTH) / most;
    // The line of the goal crosses bars, and goes behind words.
    let mut words = String::new();
    for (index, peer) in results.peers.iter().enumerate() {
        let (bars, text) = row(panel, results, peer, scale, x, y + PANEL_HEADER + index as f64 * ROW);
        svg += &bars;
        words += &text;
    }
    if let Some(goal) = goal {
        let (x, top) = (x + LABEL_WIDTH + goal * scale, y + PANEL_HEADER - 5.0);
        let bottom = top + results.peers.len() as f64 * ROW;
        svg += &format!("<path class=\"goal\" d=\"M{x:.1} {top:.1}V{bottom:.1}\"><title>goal</title></path>\n");
    }
    svg + &words
}

/// The bars of one peer, and the words beside them.
fn row(panel: &Panel, results: &Results, peer: &PeerResults, scale: f64, x: f64, y: f64) -> (String, String) {
    let is_ours = peer.peer == Peer::Heartwire;
    let (bar_class, text_class) = match peer.peer {
        Peer::Heartwire => ("ours", "ours-text"),
        Peer::Bare => ("floor", "ink"),
        _ => ("bar", "ink"),
    };
    let name = text(x, y + BAR - 2.5, if is_ours { "ours-text" } else { "ink" }, peer.peer.title());
    let mut bars = String::new();
    let medians: Vec<_> = panel.metrics.iter().map(|metric| peer.median(*metric)).collect();
    let thickness = BAR / medians.len() as f64;
    let mut longest: f64 = 0.0;
    for (index, value) in medians.iter().enumerate() {
        let Some(value) = value else { continue };
        let (left, top) = (x + LABEL_WIDTH, y + index as f64 * thickness);
        let (length, height) = ((value * scale).max(1.5), thickness - if medians.len() > 1 { 1.0 } else { 0.0 });
        longest = longest.max(length);
        bars += &format!(
            "<rect class=\"{bar_class}\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{length:.1}\" height=\"{height:.1}\" rx=\"2\"/>\n"
        );
    }
    let value_x = x + LABEL_WIDTH + longest + 7.0;
    let class = format!("{text_class} value small");
    let value = text(value_x, y + BAR - 2.5, &class, &label(panel, results, peer, &medians));
    (bars, name + &value)
}

/// The figure and the ratio; figures alone where there are several.
fn label(panel: &Panel, results: &Results, peer: &PeerResults, medians: &[Option<f64>]) -> String {
    let figures: Vec<_> = medians.iter().map(|value| value.map_or_else(|| "–".into(), figure)).collect();
    let ratio = match panel.metrics[..] {
        [metric] => results.ratio(metric, peer),
        _ => None,
    };
    figures.join(" · ") + &ratio.map_or_else(String::new, |ratio| format!("  ({}×)", figure(ratio)))
}

fn text(x: f64, y: f64, class: &str, content: &str) -> String {
    let content = content.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    format!("<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{content}</text>\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table;

    #[test]
    fn a_panel_is_drawn_for_what_was_measured_and_nothing_else() {
        let picture = svg(&table::tests::results());
        assert!(picture.contains("10,000 connections opened"), "{picture}");
        assert!(picture.contains("3.00  (2.00×)"), "{picture}");
        assert!(!picture.contains("idle stream"), "{picture}");
    }

    #[test]
    fn names_from_outside_stay_text() {
        let picture = svg(&table::tests::results());
        assert!(picture.contains("Some &lt;Processor&gt;"), "{picture}");
        assert_eq!(picture.matches('<').count(), picture.matches('>').count());
    }
}
