// From the bytes of a stream to its events, beside `eventsource-parser`: `npm run bench --workspace client-wasm/js`.
//
// Ours includes the whole machine (is it new? is it wanted? when was the peer last heard?), theirs the parsing
// alone. Both give each event's type, data and id as strings to a callback.
import { readFile } from 'node:fs/promises';
import { createParser } from 'eventsource-parser';
import instantiate, { Client } from '../generated/heartwire.js';

const N_EVENTS = 40_000;
const PIECE_BYTES = 16 * 1024;
const N_ROUNDS = 15;

await instantiate({ module_or_path: await readFile(new URL('../generated/heartwire_bg.wasm', import.meta.url)) });

function stream(text) {
  const events = Array.from({ length: N_EVENTS }, (_, i) => `id: 00c0ffee-${i + 1}\nevent: token\ndata: ${text(i)}\n\n`);
  const bytes = Buffer.from(events.join(''));
  return Array.from({ length: Math.ceil(bytes.length / PIECE_BYTES) }, (_, i) =>
    new Uint8Array(bytes.subarray(i * PIECE_BYTES, (i + 1) * PIECE_BYTES)),
  );
}

function ours(pieces) {
  let taken = 0;
  let batch = '';
  const nothing = () => {};
  const client = new Client('http://hub.test/events', { fetch: true, polling: false, connectTimeout: 1e9 }, {
    send: () => new AbortController(),
    text: (text) => {
      batch = text;
    },
    slice: (start, typeEnd, dataEnd, idEnd) => {
      taken += take(batch.slice(start, typeEnd), batch.slice(typeEnd, dataEnd), batch.slice(dataEnd, idEnd));
    },
    state: nothing,
    error: nothing,
  });
  client.listen('token');
  client.start();
  for (const piece of pieces) {
    client.chunk(1, piece);
  }
  client.close();
  client.free();
  return taken;
}

function theirs(pieces) {
  let taken = 0;
  const decoder = new TextDecoder();
  const parser = createParser({
    onEvent: ({ event, data, id }) => {
      taken += take(event, data, id);
    },
  });
  for (const piece of pieces) {
    parser.feed(decoder.decode(piece, { stream: true }));
  }
  return taken;
}

const take = (type, data, id) => Number(type.length + data.length + id.length > 0);

const best = (read, pieces) => {
  let best = Infinity;
  for (let round = 0; round < N_ROUNDS; round += 1) {
    const from = performance.now();
    const taken = read(pieces);
    best = Math.min(best, performance.now() - from);
    if (taken !== N_EVENTS) {
      throw new Error(`${taken} events of ${N_EVENTS}`);
    }
  }
  return best;
};

for (const [name, text] of [
  ['60 bytes, ASCII', (i) => JSON.stringify({ i, delta: 'the quick brown fox jumps over it' })],
  ['60 bytes, not all ASCII', (i) => JSON.stringify({ i, delta: 'Zwölf Boxkämpfer jagen Viktor 🌊' })],
  ['1 KB, ASCII', (i) => JSON.stringify({ i, text: 'all work and no play '.repeat(48) })],
]) {
  const pieces = stream(text);
  const [own, parser] = [best(ours, pieces), best(theirs, pieces)];
  const ns = (ms) => `${Math.round((ms * 1e6) / N_EVENTS)} ns`;
  console.log(`${name}: ours ${ns(own)} an event, eventsource-parser ${ns(parser)}, ratio ${(own / parser).toFixed(2)}`);
}
