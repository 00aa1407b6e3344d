// Builds the package from src/ and generated/ into dist/:
//   heartwire.js         the ES module, with the WebAssembly inside
//   heartwire.shared.js  what streams need besides that are shared between tabs; the module loads it
//   heartwire.worker-lock.js  what those need besides where there are no Web Locks; that file loads it
//   heartwire.worker.js  what holds a shared stream then; that file starts it
//   heartwire.frames.js  what opens frames, with a WebAssembly of its own; the module loads it with the first of them
//   heartwire.plain.js   what does the work where there can be no WebAssembly; the module loads it
//   heartwire.script.js  the classic script for a <script> tag
//   heartwire.lean.js    the ES module without polling and without what shares streams
//   heartwire.wasm       the WebAssembly by itself, for `init`
//   react.js and so on   what is imported as heartwire/react; it imports heartwire itself by its name
//   *.js.map             from each script back to its source
//   *.d.ts               the declarations, by the TypeScript compiler
//   provenance.json      what the WebAssembly is, and what it was built from and with
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { ALPHABET, embed } from './embed.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const wasm = join(here, 'generated/heartwire.wasm');
const { version, repository } = JSON.parse(await readFile(join(here, 'package.json'), 'utf8'));

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
    onResolve({ filter: /\/pass-through\.js$/ }, () => ({ path: './heartwire.plain.js', external: true }));
    onResolve({ filter: /\/frames\.js$/ }, () => ({ path: './heartwire.frames.js', external: true }));
  },
};

const bytes = await readFile(wasm);
const framesBytes = await readFile(join(here, 'generated/heartwire.frames.wasm'));
const leanBytes = await readFile(join(here, 'generated/heartwire.lean.wasm'));
const define = {
  VERSION: JSON.stringify(version),
  EMBEDDED_WASM: JSON.stringify(embed(bytes)),
  FRAMES_WASM: JSON.stringify(embed(framesBytes)),
  ALPHABET: JSON.stringify(ALPHABET),
  LEAN: 'false',
};
const lean = { ...define, EMBEDDED_WASM: JSON.stringify(embed(leanBytes)), LEAN: 'true' };

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
    sourcemap: true,
    define,
    ...more,
  });

// Resolved, since these are installed at the root of the workspace.
const { resolve } = createRequire(import.meta.url);
const compiler = join(dirname(resolve('typescript/package.json')), 'bin/tsc');
const binaryen = JSON.parse(await readFile(resolve('binaryen/package.json'), 'utf8'));

const extra = (name) =>
  bundle(`src/${name}.ts`, `dist/${name}.js`, 'esm', { plugins: [client], external: ['react', 'vue', 'svelte', 'svelte/store'] });

const described = (bytes) => ({ bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') });
const provenance = {
  wasm: { 'heartwire.wasm': described(bytes), 'heartwire.lean.js': described(leanBytes), 'heartwire.frames.js': described(framesBytes) },
  source: { repository: repository.url, version, crate: 'heartwire-client-wasm' },
  builtWith: {
    command: 'cargo xtask build',
    rustc: (await readFile(join(here, 'generated/rustc.txt'), 'utf8')).trim(),
    wasmOpt: `binaryen ${binaryen.version}`,
  },
};

await Promise.all([
  writeFile(join(here, 'dist/provenance.json'), `${JSON.stringify(provenance, null, 2)}\n`),
  bundle('src/index.ts', 'dist/heartwire.js', 'esm', { plugins: [apart] }),
  bundle('src/index.ts', 'dist/heartwire.lean.js', 'esm', { plugins: [apart], define: lean }),
  bundle('src/shared/share.ts', 'dist/heartwire.shared.js', 'esm', { plugins: [apart] }),
  bundle('src/shared/worker-lock.ts', 'dist/heartwire.worker-lock.js', 'esm'),
  // The pages that start it send it the WebAssembly.
  bundle('src/shared/worker.ts', 'dist/heartwire.worker.js', 'esm', { define: { ...define, EMBEDDED_WASM: '""' } }),
  bundle('src/pass-through.ts', 'dist/heartwire.plain.js', 'esm'),
  bundle('src/frames.ts', 'dist/heartwire.frames.js', 'esm'),
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
