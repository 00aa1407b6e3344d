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
  debug: ['yes'],
};

const RIGHT = {
  topics: ['a', ['a', 'b'], []],
  enabled: [true, false],
  polling: [true, false],
  lastEventId: ['a-1', '', null],
  from: ['live', 'earliest'],
  withCredentials: [true, false],
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
  debug: [true, false],
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
  assert.throws(() => new EventStream('/relative/without/a/page'), { name: 'SyntaxError' });
});

test('the address gets the topics and loses its fragment', () => {
  reset();
  const stream = new EventStream('http://hub.test/events?token=x#top', { topics: ['a b', 'c'] });
  assert.equal(stream.url, 'http://hub.test/events?token=x&topic=a+b&topic=c');
  stream.close();
});
