// Races whole clients in any host, from the constructor to the last event in a page's listener: see race.mjs.
//
// In each round every client has its turn, in an order that is drawn anew, so that a machine whose speed drifts does so
// for all. The best round of each counts, since whatever else the machine did can only have made a round slower.
import { keep } from './memory.mjs';
import { SOCKETS, STREAMS } from './clients.mjs';

export const N_EVENTS = 20_000;

const text = (i, words) => JSON.stringify({ i, delta: words });

/** What is read: the data of an event, by the name of its stream. */
export const PAYLOADS = {
  '100 bytes': (i) => text(i, 'the quick brown fox jumps over the lazy dog and back'),
  '1 KB': (i) => text(i, 'all work and no play '.repeat(46)),
};

/** The name of the file that has the stream of such payloads. */
export const fileOf = (payload) => `${payload.replaceAll(' ', '-')}.sse`;

export const data = (payload) => Array.from({ length: N_EVENTS }, (_, i) => PAYLOADS[payload](i));

export const streamOf = (data) =>
  new TextEncoder().encode(data.map((data, i) => `id: 00c0ffee-${i + 1}\nevent: token\ndata: ${data}\n\n`).join(''));

/** How long one reads it all, in ms. */
function read(client) {
  return new Promise((resolve) => {
    let n = 0;
    const from = performance.now();
    const end = client((data) => {
      // What a page would do with an event at the least: look at it.
      n += Number(data !== undefined);
      if (n === N_EVENTS) {
        const ms = performance.now() - from;
        // Not within the client's own call. The next one begins when this one has let go.
        setTimeout(() => {
          end();
          setTimeout(() => resolve(ms));
        });
      }
    });
  });
}

/** The best of each in µs an event. */
async function race(clients, nRounds) {
  const best = Object.fromEntries(Object.keys(clients).map((name) => [name, Infinity]));
  for (let round = 0; round < nRounds; round += 1) {
    const turns = Object.entries(clients).map(([name, client]) => ({ name, client, at: Math.random() }));
    turns.sort((one, other) => one.at - other.at);
    for (const { name, client } of turns) {
      best[name] = Math.min(best[name], ((await read(client)) * 1_000) / N_EVENTS);
    }
  }
  return best;
}

/** The clients of event streams that read by these means, as the rows of the table are called. */
const clientsBy = (means, adapt) =>
  Object.fromEntries(means.flatMap((by) => Object.entries(STREAMS[by]).map(([name, client]) => [rowOf(name, by), adapt(client)])));

const rowOf = (name, by) => `${name} | ${by}`;

/** From a server of this origin, as text. */
function overNetwork(payload) {
  const url = new URL(fileOf(payload), globalThis.location.href).href;
  const clients = clientsBy(Object.keys(STREAMS), (client) => (take) => client(url, take));
  return { ...clients, [rowOf('the bytes alone', 'fetch')]: drain(url, streamOf(data(payload)).length) };
}

/** Reads the bytes and makes no events of them, but counts them at the end: what the network takes. */
const drain = (url, nBytes) => (take) => {
  const leaving = new AbortController();
  void fetch(url, { signal: leaving.signal }).then(async ({ body }) => {
    const reader = body.getReader();
    for (let missing = nBytes; missing > 0; ) {
      missing -= (await reader.read()).value.length;
    }
    for (let i = 0; i < N_EVENTS; i += 1) {
      take('');
    }
  });
  return () => leaving.abort();
};

/** From memory, as what the JSON says: those with a protocol of their own give nothing else. */
function fromMemory(payload) {
  const messages = data(payload);
  keep(streamOf(messages), messages);
  const parsed = (client) => (take) => client('http://memory.test/', (data) => take(JSON.parse(data)));
  const sockets = Object.entries(SOCKETS).map(([name, client]) => [rowOf(name, 'WebSocket'), client]);
  return { ...clientsBy(['fetch'], parsed), ...Object.fromEntries(sockets) };
}

/**
 * Runs the races of this host.
 *
 * @param versions - Of each client.
 * @returns A table in Markdown: docs/client.md has it.
 */
export async function report(versions, nRounds) {
  const inBrowser = Boolean(globalThis.location);
  const columns = {};
  for (const payload of inBrowser ? Object.keys(PAYLOADS) : []) {
    columns[payload] = await race(overNetwork(payload), nRounds);
  }
  columns['100 bytes to an object, from memory'] = await race(fromMemory('100 bytes'), nRounds);

  const base = rowOf('heartwire', 'fetch');
  const cell = (best, row) => (best[row] ? `${best[row].toFixed(2)} | ${(best[row] / best[base]).toFixed(2)}` : '– | –');
  const rows = [...new Set(Object.values(columns).flatMap(Object.keys))].map((row) => {
    const [name, by] = row.split(' | ');
    return `| ${[name === 'heartwire' ? '**heartwire**' : name, versions[name]].filter(Boolean).join(' ')} | ${by} | ${Object.values(columns).map((best) => cell(best, row)).join(' | ')} |`;
  });
  const titles = Object.keys(columns).map((title) => `${title} | ×`);
  const host = inBrowser ? navigator.userAgent.match(/(Firefox|Chrome)\/\d+/)[0] : `Node/${process.versions.node}`;
  return [`| ${host} | by | ${titles.join(' | ')} |`, `|---|---|${'--:|--:|'.repeat(titles.length)}`, ...rows].join('\n');
}
