// Those who wait for events: one as a promise, many by `for await`.
import assert from 'node:assert/strict';
import { before, beforeEach, test } from 'node:test';
import { EventStream, GapEvent, init, StreamClosedError } from '../dist/heartwire.js';
import { answer, FakeEventSource, json, made, reset, state, wasm } from './host.mjs';

before(() => init(wasm));
beforeEach(reset);

async function opened(options = {}) {
  const stream = new EventStream('http://hub.test/events', { baseReconnectDelay: 10, ...options });
  const source = await made();
  source.greet();
  return { stream, source };
}

const line = (event) => (event instanceof GapEvent ? `gap ${event.from} to ${event.to}: ${event.reason}` : `${event.type} ${event.data}`);

/** Reads until the loop ends, or `n` were read. */
async function read(stream, n = Infinity) {
  const lines = [];
  if (n > 0) {
    for await (const event of stream) {
      lines.push(line(event));
      if (lines.length === n) {
        break;
      }
    }
  }
  return lines;
}

test('once gives the next event of a type, and only that one', async () => {
  const { stream, source } = await opened();
  const once = stream.once('done');
  source.send('progress', 'not this', 'a-1');
  source.send('done', 'one', 'a-2');
  source.send('done', 'two', 'a-3');
  assert.equal((await once).data, 'one');
  stream.close();
});

test('once is asked for before the stream is there, also for events of our own', async () => {
  const stream = new EventStream('http://hub.test/events');
  const [open, message] = [stream.once('open'), stream.once('message')];
  const source = await made();
  source.greet();
  source.send('message', 'one', 'a-1');
  assert.equal((await open).type, 'open');
  assert.equal((await message).data, 'one');
  stream.close();
});

test('once is rejected when the stream is closed, and says why', async () => {
  const { stream } = await opened();
  const once = stream.once('done');
  const closing = stream.once('state');
  stream.close();
  await assert.rejects(once, (error) => error instanceof StreamClosedError && error.name === 'StreamClosedError' && error.code === 'by-page');
  assert.equal((await closing).state, 'closed', 'the closing itself can be waited for');
  await assert.rejects(stream.once('done'), { code: 'closed', message: 'heartwire: the stream is closed (closed)' });
});

test('once ends with its signal', async () => {
  const { stream, source } = await opened();
  const controller = new AbortController();
  const once = stream.once('done', { signal: controller.signal });
  controller.abort(new Error('enough'));
  await assert.rejects(once, { message: 'enough' });
  await assert.rejects(stream.once('done', { signal: controller.signal }), { message: 'enough' });
  source.send('done', 'too late', 'a-1');
  stream.close();
});

test('a loop gets the types that were asked for, in order, and ends with the stream', async () => {
  const { stream, source } = await opened({ types: ['progress', 'done'] });
  const reading = read(stream);
  source.send('progress', 'one', 'a-1');
  source.send('message', 'of no such type', 'a-2');
  source.send('done', 'two', 'a-3');
  stream.close();
  assert.deepEqual(await reading, ['progress one', 'done two']);
  assert.deepEqual(await read(stream), [], 'a closed stream has nothing more');
});

test('without types a loop gets messages', async () => {
  const { stream, source } = await opened();
  const reading = read(stream, 1);
  source.send('message', 'one', 'a-1');
  assert.deepEqual(await reading, ['message one']);
  assert.equal(stream.state, 'open', 'leaving the loop leaves the stream open');
  stream.close();
});

test('types are taken from the begin, before anybody listens', async () => {
  const { stream, source } = await opened({ types: 'progress' });
  source.send('progress', 'one', 'a-1');
  assert.equal(stream.metrics().delivered, 1);
  stream.close();
});

test('of a type that is our own as well, a loop gets what was published', async () => {
  const { stream, source } = await opened({ types: 'state' });
  const reading = read(stream, 1);
  source.send('state', 'published', 'a-1');
  assert.deepEqual(await reading, ['state published']);
  stream.close();
});

test('a loop is told of gaps in their place', async () => {
  const { stream, source } = await opened();
  const reading = read(stream, 3);
  source.send('message', 'one', 'a-1');
  source.send('gap', { from: 'a-1', to: 'b-4', reason: 'other-epoch' }, 'b-4');
  source.send('message', 'five', 'b-5');
  assert.deepEqual(await reading, ['message one', 'gap a-1 to b-4: other-epoch', 'message five']);
  stream.close();
});

test('what does not fit is dropped, oldest first, and told as a gap', async () => {
  const { stream, source } = await opened({ maxWaitingEvents: 2 });
  const reading = read(stream);
  await Promise.resolve();
  for (let n = 1; n <= 5; n += 1) {
    source.send('message', String(n), `a-${n}`);
  }
  stream.close();
  assert.deepEqual(await reading, ['gap a-0 to a-3: lagged', 'message 4', 'message 5']);
});

test('a loop that lags again is told again, from where it stood', async () => {
  const { stream, source } = await opened({ maxWaitingEvents: 1 });
  const loop = stream[Symbol.asyncIterator]();
  const step = async () => line((await loop.next()).value);
  const first = step();
  source.send('message', '1', 'a-1');
  assert.equal(await first, 'message 1');
  source.send('message', '2', 'a-2');
  source.send('gap', { from: 'a-2', to: 'a-7', reason: 'lagged' }, 'a-7');
  source.send('message', '8', 'a-8');
  assert.equal(await step(), 'gap a-1 to a-7: lagged', 'a gap that is dropped is in the gap');
  assert.equal(await step(), 'message 8');
  await loop.return();
  stream.close();
});

test('a loop goes on over a cut', async () => {
  const { stream, source } = await opened();
  const reading = read(stream, 2);
  source.send('message', 'one', 'a-1');
  const reopening = made();
  source.cut();
  const second = await reopening;
  second.greet('a-1');
  second.send('message', 'two', 'a-2');
  assert.deepEqual(await reading, ['message one', 'message two']);
  stream.close();
});

test('a loop throws when the stream gave up, after what was waiting', async () => {
  const { stream, source } = await opened({ maxReconnectAttempts: 0, polling: false });
  const loop = stream[Symbol.asyncIterator]();
  const first = loop.next();
  source.send('message', 'one', 'a-1');
  source.cut();
  assert.equal((await first).value.data, 'one');
  await assert.rejects(loop.next(), { name: 'StreamClosedError', code: 'gave-up' });
  assert.deepEqual(await loop.next(), { value: undefined, done: true });
});

test('a loop over a stream that has given up already throws as well', async () => {
  const { stream, source } = await opened({ maxReconnectAttempts: 0, polling: false });
  source.cut();
  assert.equal(stream.state, 'closed');
  await assert.rejects(read(stream), { name: 'StreamClosedError', code: 'gave-up' });
});

test('two loops have each their own events, and one that is left leaves no listener behind', async () => {
  const { stream, source } = await opened({ types: 'progress' });
  const [one, both] = [read(stream, 1), read(stream, 2)];
  source.send('progress', 'one', 'a-1');
  assert.deepEqual(await one, ['progress one']);
  source.send('progress', 'two', 'a-2');
  assert.deepEqual(await both, ['progress one', 'progress two']);
  stream.close();
});

test('a loop reads what is polled', async () => {
  const events = [{ id: 'a-1', type: 'message', data: 'by poll', topic: 't' }];
  answer((url) => (url.searchParams.get('cursor') ? new Promise(() => {}) : json({ events, cursor: 'a-1', gap: null })));
  const stream = new EventStream('http://hub.test/events', { enabled: false });
  assert.deepEqual(await read(stream, 1), ['message by poll']);
  assert.equal(FakeEventSource.made.length, 0);
  const closed = state(stream, 'closed');
  stream.close();
  await closed;
});
