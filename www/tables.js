// Owns the tables beside the chart. Each is written anew when what it shows has changed, and not otherwise, so
// that a selection in it lives as long as its text. Cells are text, never markup: topics are others' words.

import { element } from './element.js';
import { bytes, count, rate, span, timeOfDay } from './format.js';

class Table {
  #body;
  #shown;

  constructor(body) {
    this.#body = body;
  }

  /** `rows`: of each the texts of its cells. */
  rows(rows) {
    const shown = JSON.stringify(rows);
    if (shown !== this.#shown) {
      this.#shown = shown;
      this.#body.replaceChildren(
        ...rows.map(([head, ...cells]) => {
          const first = element('th', '', head);
          first.scope = 'row';
          return element('tr', '', first, ...cells.map((text) => element('td', '', text)));
        }),
      );
    }
  }
}

export class Topics {
  #table;
  #note;

  constructor(body, note) {
    this.#table = new Table(body);
    this.#note = note;
  }

  show({ now: { topics } }) {
    const { top } = topics;
    this.#table.rows(
      top.map((topic) => [
        topic.topic,
        count(topic.streams),
        rate(topic.events_per_s),
        count(topic.kept_events),
        bytes(topic.kept_bytes),
      ]),
    );
    const busiest = top.length < topics.count ? `the busiest ${top.length} of ` : '';
    this.#note.textContent = topics.count ? `${busiest}${count(topics.count)}` : '';
  }
}

export class Slow {
  #table;

  constructor(body) {
    this.#table = new Table(body);
  }

  show({ now: { slow_readers: slow } }) {
    this.#table.rows(
      slow.map(({ address, topics, blocked_for_s: seconds }) => [
        address ?? 'unknown',
        topics.join(', '),
        span(seconds * 1_000),
      ]),
    );
  }
}

export class Refusals {
  #table;
  #note;

  constructor(body, note) {
    this.#table = new Table(body);
    this.#note = note;
  }

  show({ now: { recent_refusals: recent, connections } }) {
    this.#table.rows(
      recent.map(({ time_ms, status, code, asked, address }) => [
        timeOfDay(time_ms),
        `${status} ${code}`,
        asked,
        address ?? 'unknown',
      ]),
    );
    const total = connections.refused_total;
    this.#note.textContent = total > recent.length ? `the last ${recent.length} of ${count(total)}` : '';
  }
}

const ENDS = {
  'client-left': 'Client left',
  draining: 'Server drained',
  rotated: 'Longest life reached',
  lagged: 'Too far behind',
  stuck: 'Took nothing',
  'token-expired': 'Token expired',
  disabled: 'Switched off',
};
const GAPS = {
  evicted: 'Gap: evicted',
  'other-epoch': 'Gap: log begun anew',
  lagged: 'Gap: too slow',
  'bad-cursor': 'Gap: unknown place',
};

/** Totals by reason. */
export class Ends {
  #list;
  #cells = new Map();

  constructor(list) {
    this.#list = list;
  }

  show({ now: { ends, gaps } }) {
    this.#write(ends, ENDS);
    this.#write(gaps, GAPS);
  }

  #write(totals, names) {
    for (const [reason, total] of Object.entries(totals)) {
      const cell = this.#cell(names[reason] ?? reason);
      cell.textContent = count(total);
      cell.classList.toggle('zero', total === 0);
    }
  }

  #cell(name) {
    if (!this.#cells.has(name)) {
      const cell = element('dd', 'zero', '0');
      this.#cells.set(name, cell);
      this.#list.append(element('div', '', element('dt', '', name), cell));
    }
    return this.#cells.get(name);
  }
}
