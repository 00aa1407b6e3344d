// How long whole clients take for an event, side by side: `cargo xtask speed` runs it.
//
//   npm ci && node race.mjs FOLDER [--rounds 15]
//
// Writes the page that races them in a browser, with the streams that it reads, and then races those that Node can run.
// Takes the package as it was built last. Prints a table in Markdown: docs/client.md has it.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';

const here = fileURLToPath(new URL('.', import.meta.url));
const { values, positionals } = parseArgs({ allowPositionals: true, options: { rounds: { type: 'string', default: '15' } } });
const folder = resolve(positionals[0]);

const nRounds = Number(values.rounds);
const { dependencies } = JSON.parse(await readFile(join(here, 'package.json')));

const PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>heartwire: whole clients</title>
<script type="module">
  import { report } from './clients.js';
  const told = await report(${nRounds}).catch(String);
  await fetch('report', { method: 'POST', body: told });
</script>
`;

await mkdir(folder, { recursive: true });
const bundle = join(folder, 'clients.js');
await build({
  entryPoints: [join(here, 'suite.mjs')],
  outfile: bundle,
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  platform: 'browser',
  define: {
    VERSIONS: JSON.stringify(dependencies),
    // By which SignalR would know Node, and ask for modules that are not in here.
    'process.release': 'undefined',
  },
  logLevel: 'error',
});
await writeFile(join(folder, 'clients.html'), PAGE);

// What a browser has besides, as far as the clients look for it.
const nothing = () => {};
Object.assign(globalThis, { window: globalThis, document: new EventTarget(), addEventListener: nothing, removeEventListener: nothing });
const { WORDS, dataOf, fileOf, report, streamOf } = await import(pathToFileURL(bundle));
for (const size of Object.keys(WORDS)) {
  await writeFile(join(folder, fileOf(size)), streamOf(dataOf(size)));
}
console.log(await report(nRounds));
// Some of them have timers left.
process.exit();
