import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventStream } from '../dist/heartwire.js';
import { reset } from './host.mjs';

const URL_OF_STREAM = 'http://hub.test/events';

/** The WebAssembly is not there, and the streams here are closed before they miss it. */
const construct = (options) => new EventStream(URL_OF_STREAM, options).close();

const WRONG = {
  topics: [7, '', ['a', ''], ['a', 7], null],
  enabled: ['yes', 1, null],
  polling: ['no', 0],
  lastEventId: [7, {}],
  from: ['now', 0],
  withCredentials: ['include'],
  transport: ['xhr', 0],
  headers: [7, 'x-a: b', { 'no header': 'x' }, { 'x-a': 'a\nb' }, null],
  token: ['t', {}, null],
  method: ['', 'GET /', 7],
  body: [7, {}, null, new ReadableStream()],
  lastEventIdHeader: ['yes'],
  persist: ['local', true, null],
  shared: ['yes', null],
  identity: [7, null],
  compression: ['gzip'],
  heartbeatTimeout: [9, -1, NaN, '45', false],
  connectTimeout: [9, Infinity, NaN, '15000', null],
  baseReconnectDelay: [0, -1, Infinity, '1'],
  maxReconnectDelay: [0, Infinity],
  maxReconnectAttempts: [-1, 1.5, NaN, '3'],
  healthyAfter: [-1, Infinity],
  pollInterval: [0, Infinity],
  pollWait: [-1, 30_001, '25'],
  probeInterval: [0, Infinity],
  maxFrameBytes: [0, 1.5, 2 ** 30 + 1, Infinity],
  signal: [{}, 'abort'],
  types: [7, '', ['a', '']],
  parse: ['xml', true, {}],
  validate: [7, null, () => {}, { progress: 7 }, { progress: {} }, { progress: null }],
  maxWaitingEvents: [0, 1.5, Infinity],
  clientId: ['', 7, 'x'.repeat(129)],
  metrics: ['yes', {}],
  debug: ['yes', 7],
};

const RIGHT = {
  topics: ['a', ['a', 'b'], []],
  enabled: [true, false],
  polling: [true, false],
  lastEventId: ['a-1', '', null],
  from: ['live', 'earliest'],
  withCredentials: [true, false],
  transport: ['eventsource', 'fetch'],
  headers: [{}, { 'x-a': 'b' }, [['x-a', 'b']], new Headers({ 'x-a': 'b' }), () => ({})],
  token: [() => 't', async () => 't'],
  method: ['GET', 'POST', 'query'],
  body: ['', 'x', new Uint8Array(1), new ArrayBuffer(1), new Blob([]), new FormData(), new URLSearchParams()],
  lastEventIdHeader: [true, false],
  persist: ['session'],
  shared: [true, false],
  identity: ['', 'ann'],
  compression: [true, false],
  heartbeatTimeout: [null, 10, 45_000, Infinity],
  connectTimeout: [10, 15_000],
  baseReconnectDelay: [10],
  maxReconnectDelay: [10],
  maxReconnectAttempts: [0, 3, Infinity],
  healthyAfter: [0],
  pollInterval: [10],
  pollWait: [0, 30_000],
  probeInterval: [10],
  maxFrameBytes: [1, 2 ** 30],
  signal: [new AbortController().signal],
  types: ['a', ['a', 'b'], []],
  parse: ['json', (text) => text],
  validate: [{}, { progress: (data) => data, done: undefined }, { progress: { '~standard': { validate: () => ({}) } } }],
  maxWaitingEvents: [1, 1_000],
  clientId: ['x', 'x'.repeat(128)],
  metrics: [true, false, () => {}],
  debug: [true, false, () => {}],
};

for (const [name, values] of Object.entries(WRONG)) {
  test(`a wrong ${name} is a TypeError that names it`, () => {
    reset();
    for (const value of values) {
      assert.throws(
        () => construct({ [name]: value }),
        (error) => error instanceof TypeError && error.message.includes(`"${name}"`),
        String(value),
      );
    }
  });
}

test('every option takes what it documents, and undefined', () => {
  reset();
  assert.deepEqual(Object.keys(RIGHT), Object.keys(WRONG));
  for (const [name, values] of Object.entries(RIGHT)) {
    for (const value of [...values, undefined]) {
      construct({ [name]: value });
    }
  }
});

test('an unknown option is a TypeError that names it', () => {
  reset();
  assert.throws(() => construct({ topic: 'a' }), { name: 'TypeError', message: /"topic"/ });
  assert.throws(() => construct({ toString: 'a' }), { name: 'TypeError', message: /"toString"/ });
});

test('options that are no object are a TypeError', () => {
  reset();
  for (const options of [7, null, 'a', [], ['a']]) {
    assert.throws(() => construct(options), { name: 'TypeError', message: /must be an object/ }, String(options));
  }
});

test('a bad address is a SyntaxError, as with an EventSource', () => {
  reset();
  assert.throws(() => new EventStream('http://'), { name: 'SyntaxError' });
  assert.throws(() => new EventStream('/relative/without/a/page'), { name: 'SyntaxError', message: /not a whole address/ });
});

test('the address gets the topics and loses its fragment', () => {
  reset();
  const stream = new EventStream('http://hub.test/events?token=x#top', { topics: ['a b', 'c'] });
  assert.equal(stream.url, 'http://hub.test/events?token=x&topic=a+b&topic=c');
  stream.close();
});

test('options that contradict each other are a TypeError', () => {
  reset();
  for (const [options, name] of [
    [{ shared: true, method: 'POST' }, 'shared'],
    [{ shared: true, body: '' }, 'shared'],
    [{ shared: true, headers: {} }, 'identity'],
    [{ shared: true, token: () => 't' }, 'identity'],
    [{ transport: 'eventsource', headers: {} }, 'transport'],
    [{ transport: 'eventsource', token: () => 't' }, 'transport'],
    [{ transport: 'eventsource', method: 'POST' }, 'transport'],
    [{ transport: 'eventsource', body: '' }, 'transport'],
    [{ transport: 'eventsource', lastEventIdHeader: true }, 'transport'],
    [{ method: 'GET', body: 'x' }, 'body'],
  ]) {
    assert.throws(() => construct(options), (error) => error instanceof TypeError && error.message.includes(`"${name}"`));
  }
});
