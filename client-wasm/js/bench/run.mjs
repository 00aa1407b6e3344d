// Runs the races in Node and prints their results: `npm run bench --workspace client-wasm/js`.
// With `--page FOLDER` it writes the page that runs them in a browser instead: `cargo xtask speed` opens that.
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { ALPHABET, embed } from '../embed.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const wasm = join(here, '../generated/heartwire.wasm');

const PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>heartwire: races</title>
<script type="module">
  import { report } from './suite.js';
  const wasm = await (await fetch('heartwire.wasm')).arrayBuffer();
  const told = await report(navigator.userAgent.match(/(Firefox|Chrome)\\/\\d+/)[0], wasm).catch(String);
  await fetch('report', { method: 'POST', body: told });
</script>
`;

const frames = await readFile(join(here, '../generated/heartwire.frames.wasm'));

/** The suite with all that it imports, as one module. */
const bundle = (outfile) =>
  build({
    entryPoints: [join(here, 'suite.mjs')],
    outfile,
    bundle: true,
    format: 'esm',
    target: 'es2022',
    define: { LEAN: 'false', FRAMES_WASM: JSON.stringify(embed(frames)), ALPHABET: JSON.stringify(ALPHABET) },
    logLevel: 'warning',
  });

const [flag, folder] = process.argv.slice(2);
if (flag === '--page') {
  await mkdir(folder, { recursive: true });
  await bundle(join(folder, 'suite.js'));
  await copyFile(wasm, join(folder, 'heartwire.wasm'));
  await writeFile(join(folder, 'parts.html'), PAGE);
} else {
  const suite = join(here, '../generated/suite.mjs');
  await bundle(suite);
  const { report } = await import(pathToFileURL(suite));
  console.log(await report(`Node/${process.versions.node}`, await readFile(wasm)));
}
