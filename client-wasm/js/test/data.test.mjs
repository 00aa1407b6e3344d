// What a page makes of the text of events: parsed, validated, or an error event in its stead.
import assert from 'node:assert/strict';
import { before, beforeEach, test } from 'node:test';
import * as v from 'valibot';
import { EventStream, init, StreamErrorEvent } from '../dist/heartwire.js';
import { made, reset, wasm } from './host.mjs';

before(() => init(wasm));
beforeEach(reset);

/** A stream with these options, its source, and what it was told: data of `progress`, and errors. */
async function opened(options) {
  const stream = new EventStream('http://hub.test/events', options);
  const heard = [];
  const errors = [];
  stream.addEventListener('progress', ({ data }) => heard.push(data));
  stream.onmessage = ({ data }) => heard.push(data);
  stream.onerror = (event) => errors.push(event);
  const source = await made();
  source.greet();
  return { stream, source, heard, errors };
}

test('a parser or a validator may close the stream, and nothing comes after that', async () => {
  for (const throws of [false, true]) {
    const { stream, source, heard, errors } = await opened({
      validate: {
        message: (data) => {
          stream.close();
          if (throws) throw new Error('no more of this');
          return data;
        },
      },
    });
    source.send('message', 'one', 'a-1');
    assert.equal(stream.state, 'closed');
    assert.deepEqual([...heard, ...errors], []);
  }
});

test('without a wish the data are the text', async () => {
  const { stream, source, heard } = await opened({});
  source.send('progress', '{"percent":7}', 'a-1');
  assert.deepEqual(heard, ['{"percent":7}']);
  stream.close();
});

test('JSON arrives parsed, and what is none is an error event that keeps the payload out of its words', async () => {
  const { stream, source, heard, errors } = await opened({ parse: 'json' });
  source.send('progress', '{"percent":7}', 'a-1');
  source.send('progress', 'secret, no JSON', 'a-2');
  source.send('message', 'null', 'a-3');
  assert.deepEqual(heard, [{ percent: 7 }, null]);
  const [error, ...more] = errors;
  assert.deepEqual(more, []);
  assert.ok(error instanceof StreamErrorEvent);
  assert.deepEqual([error.code, error.message, error.status], ['parse-failed', 'the data of an event of type "progress" cannot be parsed', null]);
  assert.ok(error.cause instanceof SyntaxError);
  assert.equal(stream.state, 'open');
  assert.equal(stream.lastEventId, 'a-3', 'what cannot be parsed is not asked for again');
  stream.close();
});

test('a function parses, and is told the type', async () => {
  const parse = (text, type) => {
    if (text === 'bad') {
      throw new RangeError('too bad');
    }
    return `${type}: ${text}`;
  };
  const { stream, source, heard, errors } = await opened({ parse });
  source.send('progress', 'one', 'a-1');
  source.send('message', 'bad', 'a-2');
  source.send('message', 'two', 'a-3');
  assert.deepEqual(heard, ['progress: one', 'message: two']);
  assert.deepEqual(errors.map(({ code, cause }) => [code, cause.message]), [['parse-failed', 'too bad']]);
  stream.close();
});

test('a validator sees what was parsed, of its type alone, and what it returns is what the page gets', async () => {
  const validate = {
    progress: ({ percent }) => {
      if (percent > 100) {
        throw new RangeError('more than all');
      }
      return percent / 100;
    },
    message: undefined,
  };
  const { stream, source, heard, errors } = await opened({ parse: 'json', validate });
  source.send('progress', '{"percent":50}', 'a-1');
  source.send('progress', '{"percent":101}', 'a-2');
  source.send('progress', 'null', 'a-3');
  source.send('message', '{"percent":101}', 'a-4');
  assert.deepEqual(heard, [0.5, { percent: 101 }]);
  assert.deepEqual(errors.map(({ code, message }) => [code, message]), [
    ['invalid-data', 'the data of an event of type "progress" are not valid'],
    ['invalid-data', 'the data of an event of type "progress" are not valid'],
  ]);
  assert.equal(errors[0].cause.message, 'more than all');
  assert.ok(errors[1].cause instanceof TypeError);
  assert.equal(stream.state, 'open');
  stream.close();
});

test('a schema of a library validates and transforms', async () => {
  const progress = v.object({ percent: v.pipe(v.number(), v.maxValue(100)), unit: v.optional(v.string(), '%') });
  const { stream, source, heard, errors } = await opened({ parse: 'json', validate: { progress } });
  source.send('progress', '{"percent":50}', 'a-1');
  source.send('progress', '{"percent":101}', 'a-2');
  assert.deepEqual(heard, [{ percent: 50, unit: '%' }]);
  assert.deepEqual(errors.map(({ code, cause }) => [code, cause.length]), [['invalid-data', 1]]);
  stream.close();
});

test('a schema that is a function is used as a schema', async () => {
  const progress = Object.assign(() => assert.fail('it is a schema'), {
    '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value: `${value}!` }) },
  });
  const { stream, source, heard } = await opened({ validate: { progress } });
  source.send('progress', 'one', 'a-1');
  assert.deepEqual(heard, ['one!']);
  stream.close();
});

test('an asynchronous schema is refused like bad data, and its own failure goes nowhere', async () => {
  const progress = { '~standard': { version: 1, vendor: 'test', validate: () => Promise.reject(new Error('late')) } };
  const { stream, source, heard, errors } = await opened({ validate: { progress } });
  source.send('progress', 'one', 'a-1');
  await new Promise((resolve) => setTimeout(resolve));
  assert.deepEqual(heard, []);
  assert.deepEqual(errors.map(({ code, cause }) => [code, cause.message]), [
    ['invalid-data', 'heartwire: a schema must not be asynchronous'],
  ]);
  stream.close();
});

test('a type that every object has is validated by nobody', async () => {
  const { stream, source } = await opened({ validate: {} });
  const heard = [];
  stream.addEventListener('toString', ({ data }) => heard.push(data));
  source.send('toString', 'one', 'a-1');
  assert.deepEqual(heard, ['one']);
  stream.close();
});
