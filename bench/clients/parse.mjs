// How long the clients that read by fetch take for one event, each as a page has it: bytes in, an event to a listener
// out. The stream is in memory, in pieces of 16 KiB, so that no network counts. Prints a table in Markdown:
// docs/client.md has it.
//
//   npm ci && node parse.mjs [folder of the built package, by default client-wasm/js/dist]
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
const dist = resolve(process.argv[2] ?? join(here, '../../client-wasm/js/dist'));

const N_EVENTS = 20_000;
const N_ROUNDS = 15;
const PIECE_BYTES = 16 * 1024;
const TEXT = 'the quick brown fox jumps over the lazy dog and back';

const bytes = new TextEncoder().encode(
  Array.from({ length: N_EVENTS }, (_, i) => `id: 00c0ffee-${i + 1}\nevent: token\ndata: ${JSON.stringify({ i, delta: TEXT })}\n\n`).join(''),
);

/** An answer to any request: the stream, which then stays open. */
const fetchFromMemory = async () => {
  let at = 0;
  const body = new ReadableStream({
    pull(controller) {
      if (at < bytes.length) {
        controller.enqueue(bytes.slice(at, (at += PIECE_BYTES)));
      }
    },
  });
  return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
};
// What a browser has besides, as far as the clients look for it.
globalThis.window = globalThis;
globalThis.document = new EventTarget();
globalThis.fetch = fetchFromMemory;

const { EventStream } = await import(pathToFileURL(join(dist, 'heartwire.js')));
const { EventSource } = await import('eventsource');
const { fetchEventSource } = await import('@microsoft/fetch-event-source');

/** Reads the stream with each: gives every event to `take`, and returns what ends it. */
const CLIENTS = {
  heartwire: (take) => {
    const stream = new EventStream('http://hub.test/events', { transport: 'fetch' });
    stream.addEventListener('token', ({ data }) => take(data));
    return () => stream.close();
  },
  eventsource: (take) => {
    const source = new EventSource('http://hub.test/events', { fetch: fetchFromMemory });
    source.addEventListener('token', ({ data }) => take(data));
    return () => source.close();
  },
  '@microsoft/fetch-event-source': (take) => {
    const controller = new AbortController();
    void fetchEventSource('http://hub.test/events', {
      fetch: fetchFromMemory,
      openWhenHidden: true,
      signal: controller.signal,
      onmessage: ({ data }) => take(data),
    });
    return () => controller.abort();
  },
};

function read(client) {
  return new Promise((resolve) => {
    let n = 0;
    const from = performance.now();
    const end = client((data) => {
      n += Number(data.length > 0);
      if (n === N_EVENTS) {
        resolve(performance.now() - from);
        // Not within the client's own call.
        queueMicrotask(end);
      }
    });
  });
}

const best = {};
for (let round = 0; round < N_ROUNDS; round += 1) {
  for (const [name, client] of Object.entries(CLIENTS)) {
    best[name] = Math.min(best[name] ?? Infinity, await read(client));
  }
}
console.log(`| Node ${process.versions.node} | µs an event | MB/s |\n|---|--:|--:|`);
for (const [name, ms] of Object.entries(best)) {
  const folder = name === 'heartwire' ? join(dist, '..') : join(here, 'node_modules', name);
  const { version } = JSON.parse(await readFile(join(folder, 'package.json')));
  console.log(`| ${name} ${version} | ${((ms * 1_000) / N_EVENTS).toFixed(2)} | ${Math.round(bytes.length / ms / 1_000)} |`);
}
process.exit();
