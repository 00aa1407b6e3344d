// A stream that is open for long must not grow. `npm run soak --workspace client-wasm/js -- 10000000` is the long way.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { soak } from '../bench/soak.mjs';

test('a hundred thousand events leave nothing behind', async () => {
  const { came, early, late } = await soak(100_000);
  assert.equal(came, 100_000);
  assert.equal(late.wasm, early.wasm);
  // Ten bytes an event would be a leak; what the heap moves by otherwise has nothing to do with their number.
  assert.ok(late.heap - early.heap < 900_000, `${late.heap - early.heap} bytes more`);
});
