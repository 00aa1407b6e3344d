// Owns what the page knows of the host: which samples can be drawn, how each lane draws them, and the values
// above the lanes.

import { bytes, memory as memorySize, percent } from './format.js';
import { area, axis, grid, hatch, line, link, names, QUIET, roundUp, runsOf, scale, STRONG } from './lanes.js';

export const LANES = { link, cpu, memory, network, axis };
export const COLOURS = ['cpu', 'memory', 'in', 'out'];

const NUMBERS = [
  'time_ms',
  'cpu_total',
  'memory_used_bytes',
  'memory_total_bytes',
  'network_received_bytes_per_s',
  'network_sent_bytes_per_s',
  'load_1m',
];

/** A sample that can be drawn, or `undefined`: whoever may publish can publish nonsense under `host`. */
export function parse(text) {
  try {
    const sample = JSON.parse(text);
    return NUMBERS.every((name) => Number.isFinite(sample[name])) && Array.isArray(sample.cpu) ? sample : undefined;
  } catch {
    return undefined;
  }
}

/** The values of a moment by name; `none` stands for what was not heard then. */
export function values(sample, none) {
  return {
    cpu: sample ? percent(sample.cpu_total) : none,
    load: sample ? `${sample.cpu.length} cores, load ${sample.load_1m.toFixed(2)}` : '',
    memory: sample ? memorySize(sample.memory_used_bytes) : none,
    'memory-total': sample ? `of ${memorySize(sample.memory_total_bytes)}` : '',
    received: sample ? `${bytes(sample.network_received_bytes_per_s)}/s` : none,
    sent: sample ? `${bytes(sample.network_sent_bytes_per_s)}/s` : none,
  };
}

function cpu(pen, history) {
  const { context, colours } = pen;
  const y = scale(pen, 100);
  const levels = [[0, ''], [50, '50 %'], [100, '100 %']];
  grid(pen, levels, y);
  const runs = runsOf(pen, history);
  const cores = history.samples.at(-1)?.cpu.length ?? 0;
  context.globalAlpha = 0.3;
  for (let core = 0; core < cores; core += 1) {
    line(pen, runs, (sample) => y(sample.cpu[core] ?? 0), colours.cpu, QUIET);
  }
  context.globalAlpha = 1;
  line(pen, runs, (sample) => y(sample.cpu_total), colours.cpu, STRONG);
  hatch(pen, runs);
  names(pen, levels, y);
}

function memory(pen, history) {
  const { colours } = pen;
  const total = history.samples.at(-1)?.memory_total_bytes ?? 1;
  const y = scale(pen, total);
  const levels = [[0, ''], [total / 2, '50 %'], [total, '100 %']];
  grid(pen, levels, y);
  const runs = runsOf(pen, history);
  area(pen, runs, (sample) => y(sample.memory_used_bytes), colours.memory);
  line(pen, runs, (sample) => y(sample.memory_used_bytes), colours.memory, STRONG);
  hatch(pen, runs);
  names(pen, levels, y);
}

function network(pen, history) {
  const { colours } = pen;
  const runs = runsOf(pen, history);
  const highest = runs.flat().reduce(
    (most, sample) => Math.max(most, sample.network_received_bytes_per_s, sample.network_sent_bytes_per_s),
    0,
  );
  const top = roundUp(Math.max(highest * 1.05, 1_000));
  const y = scale(pen, top);
  const levels = [[0, ''], [top / 2, rate(top / 2)], [top, rate(top)]];
  grid(pen, levels, y);
  area(pen, runs, (sample) => y(sample.network_received_bytes_per_s), colours.in);
  line(pen, runs, (sample) => y(sample.network_received_bytes_per_s), colours.in, STRONG);
  line(pen, runs, (sample) => y(sample.network_sent_bytes_per_s), colours.out, STRONG, [5, 3]);
  hatch(pen, runs);
  names(pen, levels, y);
}

function rate(bytesPerSecond) {
  return bytesPerSecond >= 1e6 ? `${bytesPerSecond / 1e6} MB/s` : `${bytesPerSecond / 1e3} kB/s`;
}
