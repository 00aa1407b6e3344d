// What a program in Node does: import, connect, read. Nobody tells it where the WebAssembly is.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { EventStream } from '../dist/heartwire.js';
import { next } from './host.mjs';
import { accept, event, hello, serve } from './server.mjs';

test('a stream works without any set-up', { skip: !process.getBuiltinModule }, async () => {
  const server = await serve((_, response) => accept(response, hello(), event('progress', 'one', 'a-1')));
  const stream = new EventStream(server.url);
  assert.equal((await next(stream, 'progress')).data, 'one');
  stream.close();
  await server.close();
});

test('it can be imported where there is neither a MessageEvent nor an EventSource', () => {
  const page = "delete globalThis.MessageEvent; delete globalThis.EventSource; const { version } = await import('./dist/heartwire.js'); console.log(version);";
  const said = execFileSync(process.execPath, ['--input-type=module', '--eval', page], { cwd: new URL('..', import.meta.url), encoding: 'utf8' });
  assert.match(said, /^\d/);
});
