// The module without the files that it loads when they are needed, as where somebody forgot to copy them.
import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { made, next, reset } from './host.mjs';

const folder = mkdtempSync(join(tmpdir(), 'heartwire-'));
copyFileSync(fileURLToPath(new URL('../dist/heartwire.js', import.meta.url)), join(folder, 'heartwire.js'));
writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
after(() => rmSync(folder, { recursive: true }));
const { EventStream } = await import(pathToFileURL(join(folder, 'heartwire.js')));

beforeEach(reset);

test('where what shares streams cannot be loaded, each tab has a stream of its own', async () => {
  const stream = new EventStream('http://hub.test/events', { shared: true });
  const message = next(stream, 'message');
  const source = await made();
  source.greet();
  source.send('message', 'one', 'a-1');
  assert.equal((await message).data, 'one');
  stream.close();
});

test('where what opens frames cannot be loaded, each frame is an error, and the stream goes on in order', async () => {
  const stream = new EventStream('http://hub.test/events');
  const story = [];
  stream.onmessage = ({ data }) => story.push(data);
  stream.onerror = ({ code, message }) => story.push(`${code}: ${message}`);
  const source = await made();
  source.greet();
  const last = next(stream, 'message', ({ data }) => data === 'four');
  source.send('message', 'one', 'a-1');
  source.send('message+gzip', gzipSync('two').toString('base64'), 'a-2');
  source.send('message+gzip', gzipSync('three').toString('base64'), 'a-3');
  source.send('message', 'four', 'a-4');
  await last;
  const lost = 'bad-frame: what opens frames cannot be loaded';
  assert.deepEqual(story, ['one', lost, lost, 'four']);
  assert.equal(stream.metrics().badFrames, 2);
  assert.equal(stream.lastEventId, 'a-4');
  stream.close();
});
