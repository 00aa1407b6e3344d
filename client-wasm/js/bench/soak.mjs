// Millions of events through one stream, as a page has it: does anything grow?
//   npm run soak --workspace client-wasm/js -- 10000000
// Node's heap after a collection and the instance's memory, after a tenth of the events and at the end.
import { setFlagsFromString } from 'node:v8';
import { fileURLToPath } from 'node:url';
import { runInNewContext } from 'node:vm';
import { EventStream } from '../dist/heartwire.js';

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc');

const PIECE_EVENTS = 500;

/**
 * Reads `nEvents` over fetch; every hundredth is a frame, every thousandth a heartbeat.
 *
 * @returns The events that came, and the sizes in bytes after a tenth of them and after all.
 */
export async function soak(nEvents) {
  const memories = [];
  const { instantiate } = WebAssembly;
  WebAssembly.instantiate = async (...given) => {
    const instance = await instantiate.apply(WebAssembly, given);
    // Node's own fetch has one, too.
    if (instance.exports?.room) {
      memories.push(instance.exports.memory);
    }
    return instance;
  };
  const sizes = () => {
    gc();
    return { heap: process.memoryUsage().heapUsed, wasm: memories.reduce((sum, { buffer }) => sum + buffer.byteLength, 0) };
  };

  let sent = 0;
  let came = 0;
  let early;
  const encoder = new TextEncoder();
  globalThis.fetch = async () => {
    const body = new ReadableStream({
      pull(controller) {
        let text = '';
        for (let i = 0; i < PIECE_EVENTS && sent < nEvents; i += 1) {
          sent += 1;
          text += sent % 1_000 === 0 ? `event: heartbeat\nid: a-${sent - 1}\ndata: {"time_ms":${sent}}\n\n` : '';
          text += sent % 100 === 0 ? `event: message+gzip\nid: a-${sent}\ndata: ${FRAME}\n\n` : `id: a-${sent}\ndata: {"number":${sent},"of":${nEvents}}\n\n`;
        }
        if (text) {
          controller.enqueue(encoder.encode(text));
        }
      },
    });
    return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
  };
  const stream = new EventStream('http://hub.test/events', { transport: 'fetch' });
  await new Promise((resolve, reject) => {
    stream.onerror = ({ code }) => reject(new Error(code));
    stream.onmessage = () => {
      came += 1;
      if (came === Math.floor(nEvents / 10)) {
        early = sizes();
      }
      if (came === nEvents) {
        resolve();
      }
    };
  });
  const late = sizes();
  stream.close();
  WebAssembly.instantiate = instantiate;
  return { came, early, late };
}

const FRAME = await (async () => {
  const gzip = new Blob(['all work and no play '.repeat(100)]).stream().pipeThrough(new CompressionStream('gzip'));
  return Buffer.from(await new Response(gzip).arrayBuffer()).toString('base64');
})();

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const nEvents = Number(process.argv[2] ?? 10_000_000);
  const { came, early, late } = await soak(nEvents);
  const kib = (bytes) => `${Math.round(bytes / 1024)} KiB`;
  console.log(`${came} events; heap ${kib(early.heap)} after a tenth of them, ${kib(late.heap)} at the end; WebAssembly ${kib(early.wasm)}, ${kib(late.wasm)}`);
}
