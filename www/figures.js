// Owns the row of figures above the chart: how the hub is at this moment.

import { bytes, count, millis, percent, rate } from './format.js';

export class Figures {
  #parts;
  #pool;

  constructor(panel, pool) {
    this.#parts = Object.fromEntries(
      Array.from(panel.querySelectorAll('[data-figure]'), (part) => [part.dataset.figure, part]),
    );
    this.#pool = pool;
  }

  show({ now, delivered, published }) {
    const { connections, latency, compression, memory, ends } = now;
    const perSecond = (n) => (n === null ? '–' : `${rate(n)}/s`);
    const limit = connections.max;
    this.#pool.value = connections.pool_use_percent ?? 0;
    this.#pool.hidden = limit === null;
    const saved = compression.plain_bytes_total - compression.sent_bytes_total;
    const lost = ends.lagged + ends.stuck;
    const texts = {
      active: count(connections.active),
      max: limit === null ? '' : `of ${count(limit)}`,
      pool: limit === null ? 'no limit is set' : percent(connections.pool_use_percent),
      delivered: perSecond(delivered),
      published: `${perSecond(published)} published`,
      p50: latency.p50_ms === null ? '–' : millis(latency.p50_ms),
      p99: latency.p99_ms === null ? 'nothing on its way' : `99 % within ${millis(latency.p99_ms)}`,
      saved: compression.saved_percent === null ? '–' : percent(compression.saved_percent),
      'saved-bytes': `${bytes(Math.max(0, saved))} so far`,
      blocked: count(connections.blocked),
      lagged: lost === 1 ? '1 was cut so far' : `${count(lost)} were cut so far`,
      memory: bytes(memory.resident_bytes ?? memory.used_bytes),
      history: `${bytes(memory.history_bytes)} of it history`,
    };
    for (const [name, text] of Object.entries(texts)) {
      if (this.#parts[name].textContent !== text) {
        this.#parts[name].textContent = text;
      }
    }
  }
}
