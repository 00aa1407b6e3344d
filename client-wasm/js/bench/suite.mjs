// The parts of the client that are worth a race, beside their rivals, in any host: see run.mjs.
//
// Ours is the whole way: bytes into the WebAssembly, the machine (is it new? is it wanted? when was the peer last
// heard?), strings out. Theirs is the parsing, or the opening, alone. Each round is timed by itself; the best
// counts, since whatever else the machine did can only have made a round slower.
import { createParser } from 'eventsource-parser';
import { gunzipSync } from 'fflate';
import { driver } from '../src/driver.ts';

const N_EVENTS = 20_000;
const N_FRAMES = 200;
const PIECE_BYTES = 16 * 1024;
const N_ROUNDS = 15;
const FRAME_BYTES = [1024, 8 * 1024, 32 * 1024];

const STREAMS = {
  'tokens of 100 bytes, ASCII': (i) => JSON.stringify({ i, delta: 'the quick brown fox jumps over the lazy dog and back' }),
  'tokens of 100 bytes, not all ASCII': (i) => JSON.stringify({ i, delta: 'Zwölf Boxkämpfer jagen Viktor quer über den Deich 🌊' }),
  'events of 1 KB, ASCII': (i) => JSON.stringify({ i, text: 'all work and no play '.repeat(46) }),
};

const nothing = () => {};

/** A connection in an instance of its own, and what it gives the page. */
async function connect(module, deliver, transport) {
  const { exports } = await WebAssembly.instantiate(module);
  const options = { topics: [], types: [], fetch: transport === 'fetch', polling: false, connectTimeout: 1e9 };
  const sink = { send: () => new AbortController(), deliver, state: nothing, heartbeat: nothing, gap: nothing };
  sink.error = (code, message) => {
    throw new Error(`${code}: ${message}`);
  };
  const broke = (_, failure) => {
    throw failure;
  };
  const connection = driver(exports, broke)('http://hub.test/events', options, sink);
  connection.listen('token');
  connection.start();
  return connection;
}

const encode = (text) => new TextEncoder().encode(text);

function stream(text) {
  const events = Array.from({ length: N_EVENTS }, (_, i) => `id: 00c0ffee-${i + 1}\nevent: token\ndata: ${text(i)}\n\n`);
  const bytes = encode(events.join(''));
  return Array.from({ length: Math.ceil(bytes.length / PIECE_BYTES) }, (_, i) =>
    bytes.slice(i * PIECE_BYTES, (i + 1) * PIECE_BYTES),
  );
}

// What a page would do with an event at the least: look at it.
let taken = 0;
const take = (type, data, id) => {
  taken += Number(type.length + data.length + id.length > 0);
};

async function ours(module, pieces) {
  const connection = await connect(module, take, 'fetch');
  return () => {
    for (const piece of pieces) {
      connection.chunk(1, piece);
    }
    connection.close();
  };
}

async function theirs(_, pieces) {
  const decoder = new TextDecoder();
  const parser = createParser({ onEvent: ({ event, data, id }) => take(event, data, id) });
  return () => {
    for (const piece of pieces) {
      parser.feed(decoder.decode(piece, { stream: true }));
    }
  };
}

/** Prepares and times each way in turn, so that a machine that slows down does so for all; the best in ms of each. */
async function race(ways, n) {
  const best = ways.map(() => Infinity);
  for (let round = 0; round < N_ROUNDS; round += 1) {
    for (const [i, prepare] of ways.entries()) {
      const run = await prepare();
      taken = 0;
      const from = performance.now();
      await run();
      best[i] = Math.min(best[i], performance.now() - from);
      if (taken !== n) {
        throw new Error(`${taken} events of ${n}`);
      }
    }
  }
  return best;
}

/** Text of this length that shrinks as JSON does. */
function payload(bytes) {
  let text = '';
  for (let i = 0; text.length < bytes; i += 1) {
    text += JSON.stringify({ id: i * 7919, name: `item ${i * 31}`, state: ['queued', 'running', 'done'][i % 3], part: i / 97 });
  }
  return text.slice(0, bytes);
}

async function toFrame(text) {
  const gzip = new Response(new Blob([text]).stream().pipeThrough(new CompressionStream('gzip')));
  return btoa(String.fromCharCode(...new Uint8Array(await gzip.arrayBuffer())));
}

const fromBase64 = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));

async function openOurs(module, frames) {
  let begin;
  const begun = new Promise((resolve) => {
    begin = resolve;
  });
  const deliver = (...event) => {
    take(...event);
    begin();
  };
  const connection = await connect(module, deliver, 'fetch');
  // As on the wire: the decoder's share and the machine's are in it.
  const piece = (frame, i) => encode(`event: token+gzip\nid: a-${i}\ndata: ${frame}\n\n`);
  const pieces = frames.map((frame, i) => piece(frame, i + 2));
  // The first one loads what opens them.
  connection.chunk(1, piece(frames[0], 1));
  await begun;
  return () => {
    for (const piece of pieces) {
      connection.chunk(1, piece);
    }
    connection.close();
  };
}

async function openWithFflate(_, frames) {
  const decoder = new TextDecoder();
  return () => {
    for (const frame of frames) {
      take('token', decoder.decode(gunzipSync(fromBase64(frame))), '');
    }
  };
}

async function openWithStream(_, frames) {
  return async () => {
    for (const frame of frames) {
      const opened = new Blob([fromBase64(frame)]).stream().pipeThrough(new DecompressionStream('gzip'));
      take('token', await new Response(opened).text(), '');
    }
  };
}

/** Runs every race; what an event or a frame took by each way, and how many times longer the rivals took. */
export async function report(host, wasm) {
  const module = await WebAssembly.compile(wasm);
  const lines = [`${host}:`];
  const tell = async (name, n, ways, given) => {
    const best = await race(Object.values(ways).map((way) => () => way(module, given)), n);
    const us = best.map((ms) => (ms * 1000) / n);
    const times = Object.keys(ways).map((way, i) => `${way} ${us[i].toFixed(2)} µs${i ? ` (${(us[i] / us[0]).toFixed(2)}×)` : ''}`);
    lines.push(`  ${name}: ${times.join(', ')}`);
  };
  for (const [name, text] of Object.entries(STREAMS)) {
    await tell(name, N_EVENTS, { heartwire: ours, 'eventsource-parser': theirs }, stream(text));
  }
  for (const bytes of FRAME_BYTES) {
    const frames = new Array(N_FRAMES).fill(await toFrame(payload(bytes)));
    const ways = { heartwire: openOurs, fflate: openWithFflate, DecompressionStream: openWithStream };
    await tell(`a frame of ${bytes / 1024} KiB`, N_FRAMES, ways, frames);
  }
  return lines.join('\n');
}
