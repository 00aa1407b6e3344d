// Races whole clients in any host, from the constructor to the last event in a page's listener: see race.mjs.
//
// In each round every client has its turn, in an order that is drawn anew, so that a machine whose speed drifts does so
// for all. The best round of each counts, since whatever else the machine did can only have made a round slower.
import { keep } from './memory.mjs';
import { SOCKETS, STREAMS } from './clients.mjs';

const N_EVENTS = 20_000;

/** What the events say, by their size. */
export const WORDS = {
  '100 bytes': 'the quick brown fox jumps over the lazy dog and back',
  '1 KB': 'all work and no play '.repeat(46),
};

/** The name of the file that has the stream of such events. */
export const fileOf = (size) => `${size.replaceAll(' ', '-')}.sse`;

/** The data of each event. */
export const dataOf = (size) => Array.from({ length: N_EVENTS }, (_, i) => JSON.stringify({ i, delta: WORDS[size] }));

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

/** What the row of a client begins with. */
const rowOf = (name, by) => `${name === 'heartwire' ? '**heartwire**' : [name, VERSIONS[name]].filter(Boolean).join(' ')} | ${by}`;

/** The clients of event streams that read by these means, each adapted. */
const clientsBy = (means, adapt) =>
  Object.fromEntries(means.flatMap((by) => Object.entries(STREAMS[by]).map(([name, client]) => [rowOf(name, by), adapt(client)])));

/** From a server of this origin, as text. */
function overNetwork(size) {
  const url = new URL(fileOf(size), globalThis.location.href).href;
  const clients = clientsBy(Object.keys(STREAMS), (client) => (take) => client(url, take));
  return { ...clients, [rowOf('the bytes alone', 'fetch')]: drain(url, streamOf(dataOf(size)).length) };
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
function fromMemory(size) {
  const data = dataOf(size);
  keep(streamOf(data), data);
  const parsed = (client) => (take) => client('http://memory.test/', (data) => take(JSON.parse(data)));
  const sockets = Object.entries(SOCKETS).map(([name, client]) => [rowOf(name, 'WebSocket'), client]);
  return { ...clientsBy(['fetch'], parsed), ...Object.fromEntries(sockets) };
}

/** Runs the races of this host. Returns a table in Markdown. */
export async function report(nRounds) {
  const inBrowser = Boolean(globalThis.location);
  const columns = {};
  for (const size of inBrowser ? Object.keys(WORDS) : []) {
    columns[size] = await race(overNetwork(size), nRounds);
  }
  columns['100 bytes to an object, from memory'] = await race(fromMemory('100 bytes'), nRounds);

  const base = rowOf('heartwire', 'fetch');
  const cells = (row) =>
    Object.values(columns).flatMap((best) => (best[row] ? [best[row], best[row] / best[base]].map((n) => n.toFixed(2)) : ['–', '–']));
  const rows = new Set(Object.values(columns).flatMap(Object.keys));
  const host = inBrowser ? navigator.userAgent.match(/(Firefox|Chrome)\/\d+/)[0] : `Node/${process.versions.node}`;
  const titles = Object.keys(columns).flatMap((title) => [title, '×']);
  const lines = [[host, 'by', ...titles], ['---', '---', ...titles.map(() => '--:')], ...[...rows].map((row) => [row, ...cells(row)])];
  return lines.map((line) => `| ${line.join(' | ')} |`).join('\n');
}
