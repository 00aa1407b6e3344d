// Owns the table of what the client has counted. It asks; nothing pushes.

import { element } from './element.js';
import { bytes, count } from './format.js';

const ROWS = [
  ['Events', (now) => count(now.delivered)],
  ['Heartbeats', (now) => count(now.heartbeats)],
  // Later than the fastest one: the clocks of two machines cannot be compared.
  ['Heartbeat latency', (now) => (now.lastHeartbeatLatency === null ? '–' : `+${now.lastHeartbeatLatency.toFixed(0)} ms`)],
  ['Reconnects', (now) => count(Math.max(0, now.opened - 1))],
  ['Gaps told', (now) => count(now.gaps)],
  ['Duplicates dropped', (now) => count(now.duplicates)],
  ['Saved by frames', (now) => bytes(now.bytesSavedByFrames)],
  ['Polls', (now) => count(now.polls)],
];

export class Counters {
  #link;
  #cells;

  constructor(link, list) {
    this.#link = link;
    this.#cells = ROWS.map(([name]) => {
      const cell = element('dd', '', '–');
      list.append(element('div', '', element('dt', '', name), cell));
      return cell;
    });
  }

  update() {
    const now = this.#link.metrics();
    this.#cells.forEach((cell, row) => {
      const text = ROWS[row][1](now);
      const zero = text === '0' || text === '0 B' || text === '–';
      cell.textContent = text;
      cell.classList.toggle('zero', zero);
    });
  }
}
