import assert from 'node:assert/strict';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { gzipSync } from 'node:zlib';
import { before, beforeEach, test } from 'node:test';
import { EventStream, ExpiringEvent, GapEvent, HeartbeatEvent, init, StateEvent, StreamErrorEvent, version } from '../dist/heartwire.js';
import { answer, FakeEventSource, json, made, next, reset, state, wasm } from './host.mjs';

const URL_OF_STREAM = 'http://hub.test/events';
const QUICK = { baseReconnectDelay: 10, maxReconnectDelay: 10, pollInterval: 10, probeInterval: 10 };

before(() => init(wasm));
beforeEach(reset);

/** A stream that is open, its source, and what its `progress` listener heard. */
async function opened(options = {}) {
  const stream = new EventStream(URL_OF_STREAM, { ...QUICK, ...options });
  const heard = [];
  stream.addEventListener('progress', (event) => heard.push(event.data));
  const source = await made();
  source.greet();
  return { stream, source, heard };
}

const frame = (text) => gzipSync(text).toString('base64');

test('it looks like an EventSource', async () => {
  const stream = new EventStream(URL_OF_STREAM);
  assert.equal(version, '0.1.0');
  assert.deepEqual([EventStream.CONNECTING, EventStream.OPEN, EventStream.CLOSED], [0, 1, 2]);
  assert.deepEqual([stream.CONNECTING, stream.OPEN, stream.CLOSED], [0, 1, 2]);
  assert.equal(stream.readyState, 0);
  assert.equal(stream.url, URL_OF_STREAM);
  assert.equal(stream.withCredentials, false);
  assert.equal(stream.onmessage, null);

  const opening = next(stream, 'open');
  const source = await made();
  assert.equal(source.url.searchParams.get('frames'), 'gzip');
  source.greet();
  assert.equal((await opening).constructor, Event);
  assert.equal(stream.readyState, 1);

  const message = next(stream, 'message');
  source.send('message', 'hello', 'a-1');
  const { data, lastEventId, origin } = await message;
  assert.deepEqual({ data, lastEventId, origin }, { data: 'hello', lastEventId: 'a-1', origin: 'http://hub.test' });
  assert.equal(stream.lastEventId, 'a-1');

  stream.close();
  assert.equal(stream.readyState, 2);
  assert.equal(source.readyState, 2);
});

test('handlers can be replaced and taken away', async () => {
  const { stream, source } = await opened();
  const heard = [];
  stream.onmessage = (event) => heard.push(`one ${event.data}`);
  source.send('message', 'a', 'a-1');
  stream.onmessage = function (event) {
    heard.push(`two ${event.data} ${this === stream}`);
  };
  source.send('message', 'b', 'a-2');
  stream.onmessage = 'not a function';
  assert.equal(stream.onmessage, null);
  source.send('message', 'c', 'a-3');
  assert.deepEqual(heard, ['one a', 'two b true']);
  stream.close();
});

test('a handler takes the turn of the one before it, and the last one where there was none', async () => {
  const { stream, source } = await opened();
  const heard = [];
  stream.onmessage = () => heard.push('one');
  stream.addEventListener('message', () => heard.push('listener'));
  stream.onmessage = () => heard.push('two');
  source.send('message', '', 'a-1');
  stream.onmessage = null;
  stream.onmessage = () => heard.push('three');
  source.send('message', '', 'a-2');
  assert.deepEqual(heard, ['two', 'listener', 'listener', 'three']);
  stream.close();
});

test('what is asked before the WebAssembly is ready is remembered', async () => {
  const stream = new EventStream(URL_OF_STREAM, { enabled: true, topics: 'a', lastEventId: 'a-5' });
  assert.equal(stream.lastEventId, 'a-5');
  stream.enabled = false;
  const polled = next(stream, 'message');
  answer((url) => {
    assert.equal(url.href, 'http://hub.test/events/poll?topic=a&cursor=a-5&wait=25');
    return json({ events: [{ id: 'a-6', type: 'message', data: 'six', topic: 'a' }], cursor: 'a-6', gap: null });
  });
  assert.equal((await polled).data, 'six');
  assert.equal(stream.state, 'polling');
  assert.equal(FakeEventSource.made.length, 0);
  stream.close();
});

test('a stream that is closed before the WebAssembly is ready never opens', async () => {
  const stream = new EventStream(URL_OF_STREAM);
  const states = [];
  stream.onstate = ({ state, reason }) => states.push([state, reason]);
  stream.close();
  stream.close();
  assert.deepEqual(states, [['closed', 'by-page']]);
  assert.equal(stream.readyState, 2);
  await init();
  assert.equal(FakeEventSource.made.length, 0);
});

test('streams that are closed at once take none of the room for instances', async (t) => {
  const instantiate = t.mock.method(WebAssembly, 'instantiate');
  for (let i = 0; i < 3; i += 1) {
    new EventStream(URL_OF_STREAM).close();
  }
  const { stream } = await opened();
  assert.equal(instantiate.mock.callCount(), 1);
  stream.close();
});

test('a signal closes it', async () => {
  const controller = new AbortController();
  const { stream, source } = await opened({ signal: controller.signal });
  controller.abort();
  assert.equal(stream.state, 'closed');
  assert.equal(source.readyState, 2);
  assert.equal(new EventStream(URL_OF_STREAM, { signal: controller.signal }).readyState, 2);
});

test('a signal does not hold a stream that is over', async () => {
  const { signal } = new AbortController();
  const listeners = new Set();
  for (const [name, change] of [['addEventListener', 'add'], ['removeEventListener', 'delete']]) {
    signal[name] = (_, listener) => listeners[change](listener);
  }
  const { stream, source } = await opened({ signal, maxReconnectAttempts: 0, polling: false });
  assert.equal(listeners.size, 1);
  source.cut();
  assert.equal(stream.state, 'closed');
  assert.equal(listeners.size, 0);
});

test('a cut link is told, waited for and resumed, and nothing comes twice', async () => {
  const { stream, source, heard } = await opened();
  source.send('progress', 'one', 'a-1');
  source.send('progress', 'two', 'a-2');

  const error = next(stream, 'error');
  const waiting = state(stream, 'waiting');
  const reopened = made();
  source.cut();
  assert.equal(source.readyState, 2, 'closed at once: reconnecting is our own');
  assert.ok((await error) instanceof StreamErrorEvent);
  assert.equal((await error).code, 'cut');
  const { attempt, delay, reason } = await waiting;
  assert.equal(attempt, 1);
  assert.equal(reason, 'cut');
  assert.ok(delay >= 1 && delay <= 10);
  assert.equal(stream.readyState, 0);

  const second = await reopened;
  assert.equal(second.url.searchParams.get('last_event_id'), 'a-2');
  second.greet('a-2', { resumed: true });
  source.send('progress', 'from the dead', 'a-3');
  second.send('progress', 'two again', 'a-2');
  second.send('progress', 'three', 'a-3');
  assert.deepEqual(heard, ['one', 'two', 'three']);
  const { attempts, opened: n, losses, delivered, duplicates, transport } = stream.metrics();
  assert.deepEqual({ attempts, n, losses, delivered, duplicates, transport }, {
    attempts: 2, n: 2, losses: 1, delivered: 3, duplicates: 1, transport: 'eventsource',
  });
  stream.close();
});

test('an event without an id is no repetition of the one before it', async () => {
  const { stream, source, heard } = await opened();
  source.send('progress', 'one', 'a-1');
  source.send('progress', 'without an id');
  source.send('heartbeat', { time_ms: 2 }, 'a-2');
  source.send('progress', 'after a heartbeat');
  source.send('progress', 'two', 'a-3');
  assert.deepEqual(heard, ['one', 'without an id', 'after a heartbeat', 'two']);
  stream.close();
});

test('only types with a listener are taken, also those that get one later', async () => {
  const { stream, source } = await opened();
  source.send('done', 'too early', 'a-1');
  const done = next(stream, 'done');
  source.send('done', 'now', 'a-2');
  assert.equal((await done).data, 'now');
  stream.close();
});

test('published events of our own types are told apart by class', async () => {
  const { stream, source } = await opened();
  const heard = [];
  for (const [i, type] of ['open', 'error', 'state'].entries()) {
    stream.addEventListener(type, (event) => heard.push([event instanceof MessageEvent, event.data]));
    source.send(type, `published ${type}`, `a-${i + 1}`);
  }
  assert.deepEqual(heard, [
    [true, 'published open'],
    [true, 'published error'],
    [true, 'published state'],
  ]);
  assert.equal(stream.state, 'open', 'none of them is a loss');
  stream.close();
});

test('heartbeats and gaps are told', async () => {
  const { stream, source } = await opened();
  const heartbeat = next(stream, 'heartbeat');
  source.send('heartbeat', { time_ms: 1 }, 'a-9');
  assert.ok((await heartbeat) instanceof HeartbeatEvent);
  assert.ok((await heartbeat).latency >= 0);
  assert.equal(stream.metrics().lastHeartbeatLatency, (await heartbeat).latency);
  assert.equal(stream.lastEventId, 'a-9');

  const gap = next(stream, 'gap');
  source.send('gap', { from: 'a-9', to: 'b-0', reason: 'other-epoch' }, 'b-0');
  assert.ok((await gap) instanceof GapEvent);
  assert.deepEqual([(await gap).from, (await gap).to, (await gap).reason], ['a-9', 'b-0', 'other-epoch']);

  const expiring = next(stream, 'expiring');
  source.send('expiring', { expires_in_ms: 30_000 }, 'b-0');
  assert.ok((await expiring) instanceof ExpiringEvent);
  assert.equal((await expiring).expiresIn, 30_000);

  const unknown = next(stream, 'gap');
  source.send('gap', { from: null, to: 'b-1', reason: 'eclipse' }, 'b-1');
  assert.deepEqual([(await unknown).from, (await unknown).reason], [null, 'unknown']);
  stream.close();
});

test('a control event that makes no sense is told and ignored', async () => {
  const { stream, source, heard } = await opened();
  const codes = [];
  stream.onerror = ({ code }) => codes.push(code);
  source.send('heartbeat', 'not json');
  source.send('heartbeat', { time_ms: 'soon' });
  source.send('gap', { from: 1, to: 'a-2', reason: 'lagged' });
  source.send('closing', '[]');
  source.send('progress', 'still here', 'a-1');
  assert.deepEqual(codes, ['bad-control', 'bad-control', 'bad-control', 'bad-control']);
  assert.deepEqual(heard, ['still here']);
  stream.close();
});

test('the server says why it ends a stream and when to come back', async () => {
  const { stream, source } = await opened();
  const waiting = state(stream, 'waiting');
  source.send('closing', { reason: 'draining', retry_ms: 500 }, 'a-1');
  const { reason, delay } = await waiting;
  assert.equal(reason, 'draining');
  assert.ok(delay >= 500 && delay <= 510);
  stream.close();
});

test('a frame arrives opened', async () => {
  const { stream, source, heard } = await opened();
  const payload = 'all work and no play '.repeat(200);
  const arrived = next(stream, 'progress');
  source.send('progress+gzip', frame(payload), 'a-1');
  await arrived;
  assert.deepEqual(heard, [payload]);
  assert.equal(stream.lastEventId, 'a-1');
  const { frames, badFrames, bytesSavedByFrames, payloadLength } = stream.metrics();
  assert.deepEqual([frames, badFrames, payloadLength], [1, 0, payload.length]);
  assert.equal(bytesSavedByFrames, Buffer.byteLength(payload) - frame(payload).length);
  source.send('progress+gzip', frame('Z\u00e4une'), 'a-2');
  assert.equal(heard[1], 'Z\u00e4une', 'what opens them is there');
  stream.close();
});

test('what comes while the first frame waits for what opens it comes after it', async () => {
  const { stream, source, heard } = await opened();
  const last = next(stream, 'progress', ({ data }) => data === 'three');
  source.send('progress+gzip', frame('one'), 'a-1');
  source.send('progress', 'two', 'a-2');
  source.send('progress', 'three', 'a-3');
  assert.deepEqual(heard, []);
  assert.equal(stream.lastEventId, 'a-0', 'that of the page, which has had nothing yet');
  await last;
  assert.deepEqual(heard, ['one', 'two', 'three']);
  stream.close();
});

test('a stream that is closed while a frame waits gives nothing more', async () => {
  const { stream, source, heard } = await opened();
  source.send('progress+gzip', frame('one'), 'a-1');
  source.send('progress', 'two', 'a-2');
  const closed = state(stream, 'closed');
  stream.close();
  assert.equal((await closed).reason, 'by-page');
  assert.equal(source.readyState, 2);
  // By now what opens frames is loaded, or will be for the next one.
  const other = await opened();
  const arrived = next(other.stream, 'progress');
  other.source.send('progress+gzip', frame('of the other'), 'a-1');
  await arrived;
  assert.deepEqual(heard, []);
  other.stream.close();
});

test('a bad frame is an error event, and the stream goes on', async () => {
  const { stream, source, heard } = await opened({ maxFrameBytes: 100 });
  const errors = [];
  stream.onerror = ({ code, message }) => errors.push([code, message]);
  source.send('progress+gzip', 'not base64!', 'a-1');
  source.send('progress+gzip', frame('x'.repeat(101)), 'a-2');
  const arrived = next(stream, 'progress');
  source.send('progress', 'still here', 'a-3');
  await arrived;
  assert.deepEqual(errors, [
    ['bad-frame', 'the frame is not base64'],
    ['bad-frame', 'the frame opens to more bytes than allowed'],
  ]);
  assert.deepEqual(heard, ['still here']);
  assert.equal(stream.metrics().badFrames, 2);
  stream.close();
});

test('without compression no frames are asked for', async () => {
  const { stream, source } = await opened({ compression: false });
  assert.equal(source.url.searchParams.get('frames'), null);
  stream.close();
});

test('a listener that throws does not break the stream', async () => {
  const { stream, source, heard } = await opened();
  // Node reports what a listener throws as an uncaught exception, a tick later.
  const thrown = [];
  const both = new Promise((resolve) => {
    process.setUncaughtExceptionCaptureCallback((error) => thrown.push(error.message) === 2 && resolve());
  });
  stream.addEventListener('progress', () => {
    throw new Error('the page is at fault');
  });
  source.send('progress', 'one', 'a-1');
  source.send('progress', 'two', 'a-2');
  await both;
  process.setUncaughtExceptionCaptureCallback(null);
  assert.deepEqual(thrown, ['the page is at fault', 'the page is at fault']);
  assert.deepEqual(heard, ['one', 'two']);
  assert.equal(stream.state, 'open');
  stream.close();
});

test('nothing comes after close, not even from the listener that closed it', async () => {
  const stream = new EventStream(URL_OF_STREAM, { ...QUICK, enabled: false });
  const heard = [];
  stream.onstate = ({ state }) => heard.push(state);
  stream.addEventListener('progress', (event) => {
    heard.push(event.data);
    stream.close();
    assert.equal(stream.readyState, 2);
  });
  const closed = state(stream, 'closed');
  const events = ['one', 'two'].map((data, i) => ({ id: `a-${i + 1}`, type: 'progress', data, topic: 't' }));
  answer(() => json({ events, cursor: 'a-2', gap: null }));
  await closed;
  assert.deepEqual(heard, ['polling', 'one', 'closed']);
});

test('a listener that hears of a loss and closes is told no error of it', async () => {
  const { stream, source } = await opened();
  const heard = [];
  stream.onstate = ({ state }) => {
    heard.push(state);
    stream.close();
  };
  stream.onerror = ({ code }) => heard.push(code);
  source.cut();
  assert.deepEqual(heard, ['waiting', 'closed']);
});

test('a stream that takes the place of another from within its listener goes on after it', async (t) => {
  const kept = new Map();
  globalThis.sessionStorage = { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value) };
  t.after(() => delete globalThis.sessionStorage);
  const { stream, source } = await opened({ persist: 'session' });
  let next;
  stream.onmessage = () => {
    stream.close();
    next = new EventStream(URL_OF_STREAM, { ...QUICK, persist: 'session' });
  };
  const again = made();
  source.send('message', 'one', 'a-1');
  assert.equal((await again).url.searchParams.get('last_event_id'), 'a-1');
  stream.close();
  assert.equal(next.state, 'connecting');
  const another = new EventStream(URL_OF_STREAM, { persist: 'session' });
  assert.equal(another.lastEventId, '', 'the place is taken');
  another.close();
  next.close();
});

test('a listener may throw the switch and add listeners', async () => {
  const { stream, source } = await opened();
  const polling = state(stream, 'polling');
  const done = next(stream, 'progress').then(() => next(stream, 'done'));
  stream.addEventListener('progress', () => {
    stream.enabled = false;
    assert.equal(stream.enabled, false);
  });
  answer(() => json({ events: [{ id: 'a-2', type: 'done', data: 'by poll', topic: 't' }], cursor: 'a-2', gap: null }));
  source.send('progress', 'one', 'a-1');
  assert.equal((await polling).reason, 'switched-off');
  assert.equal(source.readyState, 2);
  assert.equal((await done).data, 'by poll');
  assert.equal(stream.readyState, 1);
  stream.close();
});

test('the switch goes from stream to polling and back, and every event comes once', async () => {
  const { stream, source, heard } = await opened();
  source.send('progress', 'one', 'a-1');
  const cursors = [];
  answer((url, signal) => {
    const cursor = url.searchParams.get('cursor');
    cursors.push(cursor);
    if (cursor === 'a-3') {
      return new Promise(() => {});
    }
    const events = ['two', 'three'].map((data, i) => ({ id: `a-${i + 2}`, type: 'progress', data, topic: 't' }));
    return json({ events, cursor: 'a-3', gap: null });
  });
  const three = next(stream, 'progress', (event) => event.data === 'three');
  stream.enabled = false;
  await three;
  const reopening = made();
  stream.enabled = true;
  const second = await reopening;
  assert.equal(second.url.searchParams.get('last_event_id'), 'a-3');
  second.greet('a-3');
  second.send('progress', 'three', 'a-3');
  second.send('progress', 'four', 'a-4');
  assert.deepEqual(heard, ['one', 'two', 'three', 'four']);
  assert.equal(cursors[0], 'a-1');
  assert.equal(stream.metrics().transport, 'eventsource');
  stream.close();
});

test('a poll takes no parameter from the URL that the client sets by itself', async () => {
  const asked = new Promise((resolve) => {
    answer((url) => {
      resolve(url.search);
      return new Promise(() => {});
    });
  });
  const query = 'frames=gzip&topic=a&last_event_id=a-5&from=earliest&cursor=a-1&wait=9';
  const stream = new EventStream(`${URL_OF_STREAM}?${query}`, { ...QUICK, enabled: false });
  assert.equal(await asked, '?topic=a&cursor=a-5&wait=25');
  stream.close();
});

test('a gap in the answer to a poll is told before its events', async () => {
  const stream = new EventStream(URL_OF_STREAM, { ...QUICK, enabled: false, lastEventId: 'a-1' });
  const heard = [];
  stream.ongap = ({ to }) => heard.push(`gap to ${to}`);
  stream.onmessage = ({ data }) => heard.push(data);
  const event = next(stream, 'message');
  const gap = { from: 'a-1', to: 'a-7', reason: 'evicted' };
  answer(() => json({ events: [{ id: 'a-8', type: 'message', data: 'eight', topic: 't' }], cursor: 'a-8', gap }));
  await event;
  assert.deepEqual(heard, ['gap to a-7', 'eight']);
  stream.close();
});

test('the server switched off: the client falls back, asks now and then, and climbs back', async () => {
  let enabled = false;
  answer((url) => {
    if (url.pathname.endsWith('/health')) {
      assert.equal(url.href, 'http://hub.test/events/health');
      return json({ enabled, active_connections: 0, max_connections: null, heartbeat_interval: 30 });
    }
    return json({ events: [], cursor: 'a-0', gap: null });
  });
  const stream = new EventStream(URL_OF_STREAM, { ...QUICK, baseReconnectDelay: 5_000, maxReconnectDelay: 5_000 });
  const polling = state(stream, 'polling');
  (await made()).cut();
  assert.equal((await polling).reason, 'server-disabled');
  enabled = true;
  const reopening = made();
  const open = state(stream, 'open');
  (await reopening).greet();
  await open;
  stream.close();
});

test('a refused poll is told once, and its Retry-After is kept', async () => {
  const stream = new EventStream(URL_OF_STREAM, { ...QUICK, enabled: false });
  const errors = [];
  stream.onerror = ({ code, message }) => errors.push([code, message]);
  answer(() => json({ detail: 'slow down', code: 'rate-limited' }, { status: 429, headers: { 'retry-after': '7' } }));
  const { delay, reason } = await state(stream, 'waiting');
  assert.equal(reason, 'poll-failed');
  assert.ok(delay >= 7_000 && delay <= 7_010, String(delay));
  assert.deepEqual(errors, [['poll-failed', ''], ['rate-limited', 'slow down']]);
  stream.close();
});

test('a poll that is given up half way is no error', async () => {
  const stream = new EventStream(URL_OF_STREAM, { ...QUICK, enabled: false });
  const errors = [];
  stream.addEventListener('error', (event) => errors.push(event.code));
  const halfway = new Promise((resolve) => {
    answer((_, signal) => {
      const body = new ReadableStream({
        start: (controller) => signal.addEventListener('abort', () => controller.error(signal.reason)),
        pull: resolve,
      });
      return new Response(body);
    });
  });
  await halfway;
  // So that the head is read, too.
  await new Promise((resolve) => setTimeout(resolve));
  const reopening = made();
  stream.enabled = true;
  (await reopening).greet();
  await new Promise((resolve) => setTimeout(resolve));
  assert.deepEqual(errors, []);
  stream.close();
});

test('a poll that is answered with nonsense has failed', async () => {
  const stream = new EventStream(URL_OF_STREAM, { ...QUICK, enabled: false });
  answer(() => new Response('<h1>Welcome to our hotel</h1>'));
  const error = await next(stream, 'error', (event) => event.code === 'bad-answer');
  assert.equal(error.message, 'the answer to a poll cannot be read');
  stream.close();
});

test('it gives up when it is told to, and says so', async () => {
  const stream = new EventStream(URL_OF_STREAM, { ...QUICK, polling: false, maxReconnectAttempts: 1 });
  const closed = state(stream, 'closed');
  const error = next(stream, 'error', (event) => event.code === 'gave-up');
  FakeEventSource.onmade = (source) => source.cut();
  assert.equal((await closed).reason, 'gave-up');
  await error;
  assert.equal(FakeEventSource.made.length, 2);
  assert.equal(stream.readyState, 2);
});

test('a silent stream is lost', async () => {
  const { stream } = await opened({ heartbeatTimeout: 10 });
  const { reason } = await state(stream, 'waiting');
  assert.equal(reason, 'silent');
  assert.equal(stream.metrics().silences, 1);
  stream.close();
});

test('without the EventSource that it was told to use it polls', async () => {
  delete globalThis.EventSource;
  answer((url) =>
    url.pathname.endsWith('/health')
      ? json({ enabled: true, active_connections: 0, max_connections: null, heartbeat_interval: 30 })
      : json({ events: [], cursor: 'a-0', gap: null }),
  );
  const stream = new EventStream(URL_OF_STREAM, { ...QUICK, transport: 'eventsource' });
  assert.equal((await state(stream, 'polling')).reason, 'stream-blocked');
  stream.close();
});

test('states are StateEvents, and debug writes them without payload or query', async () => {
  const lines = [];
  const { debug } = console;
  console.debug = (...line) => lines.push(line);
  try {
    const stream = new EventStream(`${URL_OF_STREAM}?token=secret`, { ...QUICK, debug: true });
    const connecting = next(stream, 'state');
    const source = await made();
    assert.ok((await connecting) instanceof StateEvent);
    source.greet();
    stream.onmessage = () => {};
    source.send('message', 'payload', 'a-1');
    stream.close();
  } finally {
    console.debug = debug;
  }
  assert.deepEqual(lines.map(([line]) => line), ['heartwire: connecting', 'heartwire: open', 'heartwire: closed']);
  assert.ok(!JSON.stringify(lines).match(/secret|payload/));
});

test('a closed stream can be collected, though WebAssembly held it', async () => {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc');
  const weak = await (async () => {
    const { stream, source } = await opened();
    source.send('progress', 'one', 'a-1');
    stream.close();
    assert.equal(stream.lastEventId, 'a-1');
    assert.equal(stream.metrics().delivered, 1);
    return new WeakRef(stream);
  })();
  reset();
  // The collector finds the connection first, and the stream when the connection has let go of it.
  for (let round = 0; weak.deref() && round < 100; round++) {
    await new Promise(setImmediate);
    gc();
  }
  assert.equal(weak.deref(), undefined);
});

test('using closes it', { skip: !Symbol.dispose }, async () => {
  const { stream } = await opened();
  stream[Symbol.dispose]();
  assert.equal(stream.state, 'closed');
});
