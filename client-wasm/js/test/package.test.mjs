// What the package says of itself.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { test } from 'node:test';

const dist = new URL('../dist/', import.meta.url);
const read = (name) => readFile(new URL(name, dist));

test('the provenance is that of the WebAssembly in the package', async () => {
  const { wasm, builtWith } = JSON.parse(await read('provenance.json'));
  const module = await read('heartwire.wasm');
  assert.deepEqual(wasm['heartwire.wasm'], { bytes: module.length, sha256: createHash('sha256').update(module).digest('hex') });
  assert.ok(wasm['heartwire.lean.js'].bytes < module.length);
  assert.match(builtWith.rustc, /^rustc \d/);
  assert.match(builtWith.wasmOpt, /^binaryen \d/);
});

test('each script has a map to its source, which is in there and names nothing of the machine that built it', async () => {
  const scripts = (await readdir(dist)).filter((name) => name.endsWith('.js'));
  assert.ok(scripts.length >= 8);
  for (const script of scripts) {
    assert.ok((await read(script)).toString().endsWith(`//# sourceMappingURL=${script}.map\n`), script);
    const { sources, sourcesContent, mappings } = JSON.parse(await read(`${script}.map`));
    assert.ok(mappings, script);
    assert.equal(sourcesContent.length, sources.length);
    for (const source of sources) {
      assert.match(source, /^\.\.\/src\/[\w/-]+\.ts$/, script);
    }
  }
});
