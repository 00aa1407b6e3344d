// Builds the package from src/ and generated/ into dist/:
//   heartwire.js         the ES module, with the WebAssembly inside
//   heartwire.shared.js  what streams need besides that are shared between tabs; the module loads it
//   heartwire.worker-lock.js  what those need besides where there are no Web Locks; that file loads it
//   heartwire.worker.js  what holds a shared stream then; that file starts it
//   heartwire.script.js  the classic script for a <script> tag
//   heartwire.wasm       the WebAssembly by itself, for `init`
//   react.js and so on   what is imported as heartwire/react; it imports heartwire itself by its name
//   *.d.ts               the declarations, by the TypeScript compiler
import { execFile } from 'node:child_process';
import { copyFile, mkdir, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { ALPHABET, embed } from './embed.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const wasm = join(here, 'generated/heartwire.wasm');
const { version } = JSON.parse(await readFile(join(here, 'package.json'), 'utf8'));

await rm(join(here, 'dist'), { recursive: true, force: true });
await mkdir(join(here, 'dist'));

/** By its name, so that all of them have one and the same client, whichever file that is for the tool at work. */
const client = {
  name: 'client',
  setup: ({ onResolve }) => onResolve({ filter: /^\.\/index\.js$/ }, () => ({ path: 'heartwire', external: true })),
};

/** Leaves what only some pages need in a file of its own. */
const apart = {
  name: 'apart',
  setup: ({ onResolve }) => {
    onResolve({ filter: /\/shared\/share\.js$/ }, () => ({ path: './heartwire.shared.js', external: true }));
    onResolve({ filter: /\/worker-lock\.js$/ }, () => ({ path: './heartwire.worker-lock.js', external: true }));
  },
};

const bytes = await readFile(wasm);
const define = { VERSION: JSON.stringify(version), EMBEDDED_WASM: JSON.stringify(embed(bytes)), ALPHABET: JSON.stringify(ALPHABET) };

const bundle = (entry, outfile, format, more = {}) =>
  build({
    absWorkingDir: here,
    entryPoints: [entry],
    outfile,
    format,
    bundle: true,
    minify: true,
    target: 'es2022',
    legalComments: 'none',
    define,
    ...more,
  });

// Resolved, since the compiler is installed at the root of the workspace.
const compiler = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc');

const extra = (name) =>
  bundle(`src/${name}.ts`, `dist/${name}.js`, 'esm', { plugins: [client], external: ['react', 'vue', 'svelte', 'svelte/store'] });

await Promise.all([
  bundle('src/index.ts', 'dist/heartwire.js', 'esm', { plugins: [apart] }),
  bundle('src/shared/share.ts', 'dist/heartwire.shared.js', 'esm', { plugins: [apart] }),
  bundle('src/shared/worker-lock.ts', 'dist/heartwire.worker-lock.js', 'esm'),
  // The pages that start it send it the WebAssembly.
  bundle('src/shared/worker.ts', 'dist/heartwire.worker.js', 'esm', { define: { ...define, EMBEDDED_WASM: '""' } }),
  // A classic script has no `import.meta`.
  bundle('src/script.ts', 'dist/heartwire.script.js', 'iife', {
    define: { ...define, 'import.meta.url': 'scriptUrl' },
    inject: ['src/script-url.ts'],
  }),
  ...['help', 'react', 'svelte', 'vue'].map(extra),
  copyFile(wasm, join(here, 'dist/heartwire.wasm')),
  // npm packs nothing from outside the package's folder.
  ...['LICENSE-MIT', 'LICENSE-APACHE'].map((name) => copyFile(join(here, '../..', name), join(here, 'dist', name))),
  promisify(execFile)(process.execPath, [compiler, '--project', here]).catch(({ stdout, stderr }) => {
    throw new Error(`The declarations cannot be made.\n${stdout}${stderr}`);
  }),
]);
