// The declarations of the built package, compiled against what a page writes.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const compiler = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc');

test('the types are what the pages in types/ take them for', async () => {
  const project = fileURLToPath(new URL('types', import.meta.url));
  const output = await new Promise((resolve) => {
    execFile(process.execPath, [compiler, '--project', project], (_, stdout) => resolve(stdout));
  });
  assert.equal(output, '');
});
