// A WebAssembly that fails, which it never should: the page goes on.
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { EventStream } from '../dist/heartwire.js';
import { answer, FakeEventSource, json, made, next, reset, state } from './host.mjs';

const URL_OF_STREAM = 'http://hub.test/events';
const QUICK = { baseReconnectDelay: 10, maxReconnectDelay: 10, pollInterval: 10, probeInterval: 10 };

/** The memories of all instances, oldest first. */
const memories = [];
const { instantiate } = WebAssembly;
/** So many instances have no room. */
let nRefused = 0;
WebAssembly.instantiate = async (...given) => {
  if (nRefused) {
    nRefused -= 1;
    throw new RangeError('WebAssembly.instantiate(): Out of memory: Cannot allocate Wasm memory for new instance');
  }
  const instance = await instantiate.apply(WebAssembly, given);
  // Node's own fetch has one, too.
  if (instance.exports?.room) {
    memories.push(instance.exports.memory);
  }
  return instance;
};
const failures = [];
console.error = (...words) => failures.push(words);

beforeEach(() => {
  reset();
  memories.length = failures.length = 0;
});

/** Leaves an instance nothing that makes sense. Whatever it does next traps: to it, its client is in use already. */
const corrupt = (memory) => new Uint8Array(memory.buffer).fill(1);

function record(options) {
  const stream = new EventStream(URL_OF_STREAM, { ...QUICK, ...options });
  const story = [];
  stream.onmessage = ({ data }) => story.push(data);
  stream.onstate = ({ state, reason }) => story.push(reason ? `${state} ${reason}` : state);
  stream.onerror = ({ code }) => story.push(`error ${code}`);
  return { stream, story };
}

test('a trap in what a listener asks for costs one try, too', async () => {
  const { stream, story } = record({ from: 'earliest' });
  const first = await made();
  first.greet();
  const once = { once: true };
  stream.addEventListener('message', () => (corrupt(memories[0]), stream.addEventListener('later', () => {})), once);
  const reopened = made();
  first.send('message', 'one', 'a-1');
  const second = await reopened;
  second.greet('a-1', { resumed: true });
  second.send('message', 'two', 'a-2');
  assert.deepEqual(story.filter((line) => !line.startsWith('connecting')), ['open', 'one', 'waiting crashed', 'error crashed', 'open', 'two']);
  assert.equal(memories.length, 2);
  assert.equal(failures.length, 1);
  stream.close();
});

test('where there is no room for another instance, the stream begins once there is', async () => {
  nRefused = 3;
  const { stream, story } = record();
  const first = await made();
  first.greet();
  first.send('message', 'one', 'a-1');
  assert.deepEqual(story, ['connecting', 'open', 'one']);
  assert.equal(nRefused, 0);
  stream.close();
});

test('a trap costs a try, and the stream goes on after its last event', async () => {
  const { stream, story } = record({ from: 'earliest' });
  const first = await made();
  first.greet();
  first.send('message', 'one', 'a-1');
  first.send('heartbeat', { time_ms: 1 }, 'a-2');

  corrupt(memories[0]);
  const reopened = made();
  first.send('message', 'lost on the way', 'a-3');
  assert.equal(first.readyState, 2, 'nothing is left open');
  assert.equal(stream.state, 'waiting');
  assert.equal(stream.lastEventId, 'a-2');
  assert.equal(stream.metrics().delivered, 0, 'counted afresh');

  const second = await reopened;
  assert.equal(second.url.searchParams.get('last_event_id'), 'a-2');
  assert.equal(second.url.searchParams.get('from'), null);
  second.greet('a-2', { resumed: true });
  first.send('message', 'from the dead', 'a-3');
  second.send('message', 'three', 'a-3');
  assert.deepEqual(story, ['connecting', 'open', 'one', 'waiting crashed', 'error crashed', 'connecting', 'open', 'three']);
  assert.equal(failures.length, 1);
  assert.equal(memories.length, 2);
  stream.close();
});

test('after a trap no event comes again, though nothing but events came', async () => {
  const { stream, story } = record({ from: 'earliest' });
  const first = await made();
  first.greet();
  first.send('message', 'one', 'a-1');
  first.send('message', 'two', 'a-2');
  corrupt(memories[0]);
  const reopened = made();
  first.send('message', 'lost on the way', 'a-3');
  assert.equal((await reopened).url.searchParams.get('last_event_id'), 'a-2');
  assert.deepEqual(story.slice(0, 4), ['connecting', 'open', 'one', 'two']);
  stream.close();
});

test('other streams are none the worse', async () => {
  const one = record();
  const source = await made();
  source.greet();
  const other = record();
  const otherSource = await made();
  otherSource.greet();
  corrupt(memories[0]);
  source.send('message', 'too much', 'a-1');
  otherSource.send('message', 'fine', 'a-1');
  assert.equal(one.stream.state, 'waiting');
  assert.equal(other.stream.state, 'open');
  assert.deepEqual(other.story, ['connecting', 'open', 'fine']);
  one.stream.close();
  other.stream.close();
});

test('a trap in the middle of a piece repeats none of its events', async () => {
  delete globalThis.EventSource;
  const asked = [];
  globalThis.fetch = async (url) => {
    asked.push(url.searchParams.get('last_event_id'));
    const events = asked.length === 1 ? [1, 2, 3] : [2, 3];
    const text = events.map((n) => `data: ${n}\nid: a-${n}\n\n`).join('');
    const body = new ReadableStream({ start: (controller) => controller.enqueue(new TextEncoder().encode(text)) });
    return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
  };
  const { stream, story } = record();
  stream.addEventListener('message', ({ data }) => data === '1' && corrupt(memories[0]));
  await next(stream, 'message', ({ data }) => data === '3');
  assert.deepEqual(asked, [null, 'a-1']);
  assert.deepEqual(story.filter((line) => /^\d$/.test(line)), ['1', '2', '3']);
  stream.close();
});

test('polling goes on, too', async () => {
  const asked = [];
  let enough;
  const thrice = new Promise((resolve) => {
    enough = resolve;
  });
  answer((url) => {
    asked.push(url.searchParams.get('cursor'));
    if (asked.length === 2) {
      corrupt(memories[0]);
    } else if (asked.length === 3) {
      enough();
    }
    return json({ events: [], cursor: `a-${asked.length}`, gap: null });
  });
  const { stream } = record({ enabled: false });
  await thrice;
  assert.deepEqual(asked, [null, 'a-1', 'a-1']);
  stream.close();
});

test('closing a stream that cannot go on closes it', async () => {
  const { stream, story } = record();
  const source = await made();
  source.greet();
  corrupt(memories[0]);
  stream.close();
  assert.equal(source.readyState, 2);
  assert.deepEqual(story, ['connecting', 'open', 'closed by-page']);

  const waiting = record();
  (await made()).greet();
  corrupt(memories[1]);
  FakeEventSource.made.at(-1).send('message', 'too much', 'a-1');
  waiting.stream.close();
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(waiting.story, ['connecting', 'open', 'waiting crashed', 'error crashed', 'closed by-page']);
  assert.equal(FakeEventSource.made.length, 2, 'it never comes back');
});
