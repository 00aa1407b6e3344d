import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { EventStream, init } from '../dist/heartwire.js';
import { FakeEventSource, made, next, reset, state } from './host.mjs';

const URL_OF_STREAM = 'http://hub.test/events';

const warnings = [];
const { warn } = console;

before(async () => {
  // Node's own fetch needs a WebAssembly, too.
  await fetch('data:,');
  // As with a content security policy that lacks 'wasm-unsafe-eval'.
  WebAssembly.compile = async () => {
    throw new WebAssembly.CompileError('refused by the policy');
  };
  console.warn = (...words) => warnings.push(words);
});
after(() => {
  console.warn = warn;
});
beforeEach(reset);

test('init tells that the WebAssembly cannot be loaded', async () => {
  await assert.rejects(init(), WebAssembly.CompileError);
});

test('without WebAssembly the EventSource does the work, with one warning', async () => {
  const stream = new EventStream(URL_OF_STREAM, { topics: 'a', lastEventId: 'a-1' });
  const heard = [];
  stream.onmessage = ({ data }) => heard.push(data);
  stream.onstate = ({ state }) => heard.push(state);
  const source = await made();
  assert.equal(source.url.href, 'http://hub.test/events?topic=a&last_event_id=a-1');
  source.greet('a-1');
  source.send('message', 'hello', 'a-2');
  assert.deepEqual(heard, ['connecting', 'open', 'hello']);
  assert.equal(stream.lastEventId, 'a-2');
  assert.equal(stream.metrics().transport, 'eventsource');

  const gap = next(stream, 'gap');
  source.send('gap', { from: 'a-2', to: 'a-9', reason: 'evicted' }, 'a-9');
  assert.equal((await gap).to, 'a-9');

  const expiring = next(stream, 'expiring');
  source.send('expiring', { expires_in_ms: 30_000 }, 'a-9');
  assert.equal((await expiring).expiresIn, 30_000);

  const lost = next(stream, 'error');
  source.cut();
  assert.equal((await lost).code, 'cut');
  assert.equal(stream.readyState, 0, 'the browser reconnects');
  assert.equal(source.readyState, 0);

  const closed = state(stream, 'closed');
  stream.close();
  assert.equal((await closed).reason, 'by-page');
  assert.equal(source.readyState, 2);

  new EventStream(URL_OF_STREAM).close();
  const second = new EventStream(URL_OF_STREAM);
  await made();
  second.close();
  assert.equal(warnings.length, 1);
});

test('the switch opens and closes it', async () => {
  const stream = new EventStream(URL_OF_STREAM, { enabled: false });
  assert.equal((await state(stream, 'closed')).reason, 'switched-off');
  assert.equal(FakeEventSource.made.length, 0);
  const opening = made();
  stream.enabled = true;
  const source = await opening;
  source.greet();
  assert.equal(stream.state, 'open');
  stream.enabled = false;
  assert.equal(source.readyState, 2);
  stream.close();
});

test('switched off and on again on a quiet topic, it goes on where it was', async () => {
  const stream = new EventStream(URL_OF_STREAM, { from: 'earliest' });
  const reopened = async () => {
    stream.enabled = false;
    const opening = made();
    stream.enabled = true;
    return opening;
  };
  const first = await made();
  first.greet('a-1');
  const second = await reopened();
  assert.equal(second.url.search, '?last_event_id=a-1', 'the place that connected told');
  second.greet('a-1');
  second.send('heartbeat', { time_ms: 1 }, 'a-7');
  const third = await reopened();
  assert.equal(third.url.search, '?last_event_id=a-7', 'the place that the heartbeat told');
  third.open();
  third.send('gap', 'not JSON', 'b-0');
  assert.equal(stream.lastEventId, 'b-0', 'the place after a gap, even one that cannot be read');
  stream.close();
});

test('a browser that gives up is told', async () => {
  const stream = new EventStream(URL_OF_STREAM);
  const closed = state(stream, 'closed');
  const error = next(stream, 'error');
  const source = await made();
  source.readyState = 2;
  source.dispatchEvent(new Event('error'));
  assert.equal((await closed).reason, 'gave-up');
  assert.equal((await error).code, 'gave-up');
});

test('without WebAssembly there is no fetch, which is told in one error', async () => {
  for (const options of [{ headers: { 'x-a': 'b' } }, { token: () => 't' }, { body: 'x' }, { transport: 'fetch' }]) {
    const stream = new EventStream(URL_OF_STREAM, options);
    const errors = [];
    stream.onerror = ({ code, message }) => errors.push([code, message]);
    assert.equal((await state(stream, 'closed')).reason, 'no-webassembly');
    assert.equal(stream.readyState, 2);
    stream.enabled = false;
    stream.close();
    assert.deepEqual(errors, [
      ['no-webassembly', 'the WebAssembly cannot be loaded, and only with it can streams go by fetch'],
    ]);
  }
  assert.equal(FakeEventSource.made.length, 0);
  assert.equal(warnings.length, 1);
});

test('nor is there anything without an EventSource', async () => {
  delete globalThis.EventSource;
  const stream = new EventStream(URL_OF_STREAM);
  assert.equal((await next(stream, 'error')).code, 'no-webassembly');
  assert.equal(stream.state, 'closed');
});

test('a stream that is closed before that is known is closed once', async () => {
  const stream = new EventStream(URL_OF_STREAM, { transport: 'fetch' });
  const story = [];
  stream.onstate = ({ state, reason }) => story.push(`${state} ${reason}`);
  stream.close();
  const later = new EventStream(URL_OF_STREAM, { transport: 'fetch' });
  await state(later, 'closed');
  assert.deepEqual(story, ['closed by-page']);
});
