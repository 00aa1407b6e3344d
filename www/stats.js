// Owns what the dashboard knows of a hub's figures: what of them is drawn, how each lane draws it, and the
// values above the lanes. The server tells totals; what happened in a second is the difference of two.

import { bytes, count, millis, rate } from './format.js';
import { area, axis, grid, hatch, line, link, names, roundUp, runsOf, scale, STRONG } from './lanes.js';

export const LANES = { link, connections, delivered, published, latency, traffic, trouble, axis };
export const COLOURS = ['connections', 'delivered', 'published', 'latency', 'plain', 'sent', 'slow', 'refused'];

const TOTALS = {
  published: (now) => now.events.published_total,
  delivered: (now) => now.events.delivered_total,
  plain: (now) => now.compression.plain_bytes_total,
  sent: (now) => now.compression.sent_bytes_total,
  refused: (now) => now.connections.refused_total,
};
/** The quickest that the lane of latency shows, in milliseconds. */
const FASTEST_MS = 0.01;

/** Makes samples of what the server tells, one after the other. */
export class Parser {
  #before;

  /** A sample, or `undefined` for what is none. Rates are `null` until there is something to compare with. */
  parse(text) {
    let now;
    try {
      now = JSON.parse(text);
    } catch {
      return undefined;
    }
    const before = this.#before;
    this.#before = now;
    const seconds = before ? (now.time_ms - before.time_ms) / 1_000 : 0;
    const rates = Object.entries(TOTALS).map(([name, total]) => {
      const difference = before ? total(now) - total(before) : -1;
      // A total that shrinks belongs to a server that was started anew.
      return [name, seconds > 0 && difference >= 0 ? difference / seconds : null];
    });
    const { active, max, blocked } = now.connections;
    const { p50_ms, p95_ms, p99_ms } = now.latency;
    return { time_ms: now.time_ms, active, max, blocked, p50_ms, p95_ms, p99_ms, ...Object.fromEntries(rates), now };
  }
}

/** The values of a moment by name; `none` stands for what was not heard then. */
export function values(sample, none) {
  const known = (value, show) => (sample && value !== null ? show(value) : none);
  const perSecond = (value) => known(value, (n) => `${rate(n)}/s`);
  return {
    connections: known(sample?.active, count),
    'connections-of': sample?.max ? `of ${count(sample.max)}` : '',
    delivered: perSecond(sample?.delivered),
    published: perSecond(sample?.published),
    p50: known(sample?.p50_ms, millis),
    p95: known(sample?.p95_ms, millis),
    p99: known(sample?.p99_ms, millis),
    plain: known(sample?.plain, (n) => `${bytes(n)}/s`),
    sent: known(sample?.sent, (n) => `${bytes(n)}/s`),
    slow: known(sample?.blocked, count),
    refused: perSecond(sample?.refused),
  };
}

function connections(pen, history) {
  const { context, width, colours } = pen;
  const newest = history.samples.at(-1);
  const runs = runsOf(pen, history);
  const highest = most(runs, ['active'], 4);
  // The limit is in sight once it matters.
  const isNear = newest?.max && highest > newest.max / 2;
  const top = isNear ? newest.max : roundUp(highest);
  const y = scale(pen, isNear ? top * 1.05 : top);
  const levels = [[0, ''], [top / 2, count(top / 2)], [top, count(top)]];
  grid(pen, levels, y);
  if (isNear) {
    context.strokeStyle = colours.refused;
    context.setLineDash([2, 4]);
    context.beginPath();
    context.moveTo(0, y(top));
    context.lineTo(width, y(top));
    context.stroke();
    context.setLineDash([]);
  }
  area(pen, runs, (sample) => y(sample.active), colours.connections);
  line(pen, runs, (sample) => y(sample.active), colours.connections, STRONG);
  hatch(pen, runs);
  names(pen, levels, y);
}

function delivered(pen, history) {
  single(pen, history, 'delivered');
}

function published(pen, history) {
  single(pen, history, 'published');
}

function single(pen, history, name) {
  const { colours } = pen;
  const all = runsOf(pen, history);
  const runs = known(all, name);
  const top = roundUp(most(runs, [name], 4));
  const y = scale(pen, top);
  const levels = [[0, ''], [top / 2, rate(top / 2)], [top, rate(top)]];
  grid(pen, levels, y);
  area(pen, runs, (sample) => y(sample[name]), colours[name]);
  line(pen, runs, (sample) => y(sample[name]), colours[name], STRONG);
  hatch(pen, all);
  names(pen, levels, y);
}

/** By powers of ten, since what matters is whether it is 1 ms or 10, and not 10 or 11. */
function latency(pen, history) {
  const { context, height, colours } = pen;
  const all = runsOf(pen, history);
  const runs = known(all, 'p50_ms');
  const top = 10 ** Math.ceil(Math.log10(most(runs, ['p99_ms'], 10)));
  const decades = Math.log10(top / FASTEST_MS);
  const y = (ms) => height - 2 - (Math.log10(Math.max(ms, FASTEST_MS) / FASTEST_MS) / decades) * (height - 4);
  const levels = [];
  for (let ms = FASTEST_MS; ms <= top * 1.001; ms *= 10) {
    // Every second name, and none at the foot: they would stand one upon the other.
    levels.push([ms, ms > FASTEST_MS && Math.round(Math.log10(top / ms)) % 2 === 0 ? millis(ms) : '']);
  }
  grid(pen, levels, y);
  context.globalAlpha = 0.55;
  line(pen, runs, (sample) => y(sample.p95_ms), colours.latency, 1.5, [5, 3]);
  line(pen, runs, (sample) => y(sample.p99_ms), colours.latency, 1.5, [1.5, 3]);
  context.globalAlpha = 1;
  line(pen, runs, (sample) => y(sample.p50_ms), colours.latency, STRONG);
  hatch(pen, all);
  names(pen, levels, y);
}

function traffic(pen, history) {
  const { colours } = pen;
  const all = runsOf(pen, history);
  const runs = known(all, 'sent');
  const top = roundUp(most(runs, ['plain', 'sent'], 1_000));
  const y = scale(pen, top);
  const levels = [[0, ''], [top / 2, `${bytes(top / 2)}/s`], [top, `${bytes(top)}/s`]];
  grid(pen, levels, y);
  line(pen, runs, (sample) => y(sample.plain), colours.plain, STRONG, [5, 3]);
  area(pen, runs, (sample) => y(sample.sent), colours.sent);
  line(pen, runs, (sample) => y(sample.sent), colours.sent, STRONG);
  hatch(pen, all);
  names(pen, levels, y);
}

/** Slow readers as a line, refusals as bars: each is an event of its own, and a line would join them. */
function trouble(pen, history) {
  const { context, height, colours, place } = pen;
  const all = runsOf(pen, history);
  const runs = known(all, 'refused');
  const top = roundUp(most(all, ['blocked', 'refused'], 4));
  const y = scale(pen, top);
  const levels = [[0, ''], [top / 2, rate(top / 2)], [top, rate(top)]];
  grid(pen, levels, y);
  context.fillStyle = colours.refused;
  for (const sample of runs.flat().filter(({ refused }) => refused > 0)) {
    const at = y(sample.refused);
    context.fillRect(place(sample) - 1.5, at, 3, height - at);
  }
  line(pen, all, (sample) => y(sample.blocked), colours.slow, STRONG);
  hatch(pen, all);
  names(pen, levels, y);
}

/** The runs without the samples in which a value is not known. */
function known(runs, name) {
  const parts = [];
  for (const run of runs) {
    let part;
    for (const sample of run) {
      if (sample[name] === null) {
        part = undefined;
        continue;
      }
      if (!part) {
        part = [];
        parts.push(part);
      }
      part.push(sample);
    }
  }
  return parts;
}

/** The highest value in sight, or `least` if that is more. */
function most(runs, which, least) {
  let highest = least;
  for (const run of runs) {
    for (const sample of run) {
      for (const name of which) {
        highest = Math.max(highest, sample[name] ?? 0);
      }
    }
  }
  return highest;
}
