// What the clients that pages use weigh, all measured the same way: what a page imports, bundled with esbuild for a
// browser, minified, under brotli at its best. Prints a table in Markdown: docs/client.md has it.
//
//   npm ci && node weigh.mjs [folder of the built package, by default client-wasm/js/dist]
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const here = fileURLToPath(new URL('.', import.meta.url));
const dist = process.argv[2] ?? join(here, '../../client-wasm/js/dist');

/** What a page imports of each, as its own papers say. */
const PEERS = [
  ['@microsoft/fetch-event-source', '{ fetchEventSource }'],
  ['eventsource', '{ EventSource }'],
  ['reconnecting-eventsource', 'X'],
  ['sse.js', '{ SSE }'],
  ['event-source-polyfill', '{ EventSourcePolyfill }'],
  ['@microsoft/signalr', '{ HubConnectionBuilder }'],
  ['socket.io-client', '{ io }'],
  ['centrifuge', '{ Centrifuge }'],
];

async function weigh(name, what) {
  const imported = what.replace(/[{} ]/g, '');
  const { outputFiles } = await build({
    stdin: { contents: `import ${what} from '${name}'; globalThis.used = ${imported};`, resolveDir: here },
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    platform: 'browser',
    write: false,
    legalComments: 'none',
    loader: { '.wasm': 'file' },
    outdir: here,
  });
  return measure(outputFiles.map(({ contents }) => contents));
}

const brotli = (bytes) =>
  brotliCompressSync(bytes, {
    params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length },
  }).length;

const measure = (files) => ({
  raw: files.reduce((sum, file) => sum + file.length, 0),
  gzip: files.reduce((sum, file) => sum + gzipSync(file, { level: 9 }).length, 0),
  brotli: files.reduce((sum, file) => sum + brotli(file), 0),
});

const row = (name, { raw, gzip, brotli }) =>
  console.log(`| ${name} | ${[raw, gzip, brotli].map((n) => n.toLocaleString('en')).join(' | ')} |`);

console.log('| import | minified | gzip | brotli |\n|---|--:|--:|--:|');
for (const [name, file] of [['heartwire', 'heartwire.js'], ['heartwire/react', 'react.js'], ['heartwire/vue', 'vue.js'], ['heartwire/svelte', 'svelte.js']]) {
  row(`**${name}**`, measure([await readFile(join(dist, file))]));
}
for (const [name, what] of PEERS) {
  const { version } = JSON.parse(await readFile(join(here, 'node_modules', name, 'package.json')));
  row(`${name} ${version}`, await weigh(name, what));
}
