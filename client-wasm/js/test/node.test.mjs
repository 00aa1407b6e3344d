// What a program in Node does: import, connect, read. Nobody tells it where the WebAssembly is.
import assert from 'node:assert/strict';
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
