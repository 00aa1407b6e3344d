import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { runInThisContext } from 'node:vm';
import { made, next, reset } from './host.mjs';

test('the script sets Heartwire, and brings its own WebAssembly', async () => {
  reset();
  globalThis.fetch = () => assert.fail('nothing is fetched');
  runInThisContext(await readFile(new URL('../dist/heartwire.script.js', import.meta.url), 'utf8'));
  const { EventStream, init, version } = globalThis.Heartwire;
  assert.equal(version, '0.1.0');
  assert.deepEqual(Object.keys(globalThis.Heartwire).sort(), Object.keys(await import('../dist/heartwire.js')).sort(), 'all that the module has');
  await init();
  const stream = new EventStream('http://hub.test/events');
  const message = next(stream, 'message');
  const source = await made();
  source.greet();
  source.send('message', 'hello', 'a-1');
  assert.equal((await message).data, 'hello');
  stream.close();
});
