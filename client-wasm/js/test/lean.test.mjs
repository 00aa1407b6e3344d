// `heartwire/lean`: the same streams, without polling and without sharing.
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { EventStream } from '../dist/heartwire.lean.js';
import { answer, made, reset, state } from './host.mjs';

const URL_OF_STREAM = 'http://hub.test/events';

beforeEach(reset);

test('a lean stream comes back after its last event', async () => {
  const stream = new EventStream(URL_OF_STREAM, { baseReconnectDelay: 10, maxReconnectDelay: 10 });
  const heard = [];
  stream.onmessage = ({ data }) => heard.push(data);
  const first = await made();
  first.greet('a-0');
  first.send('message', 'one', 'a-1');
  const reopened = made();
  first.cut();
  const second = await reopened;
  assert.equal(second.url.searchParams.get('last_event_id'), 'a-1');
  second.greet('a-1', { resumed: true });
  second.send('message', 'two', 'a-2');
  assert.deepEqual(heard, ['one', 'two']);
  stream.close();
});

test('a lean stream never polls: the switch closes it, and a server that has streaming switched off is tried again', async () => {
  const asked = [];
  answer((url) => {
    asked.push(url.pathname);
    return new Promise(() => {});
  });
  const stream = new EventStream(URL_OF_STREAM, { baseReconnectDelay: 10, maxReconnectDelay: 10 });
  const first = await made();
  first.greet('a-0');
  const reopened = made();
  first.send('closing', { reason: 'disabled', retry_ms: 10 }, 'a-0');
  assert.equal(stream.state, 'waiting');
  (await reopened).greet('a-0', { resumed: true });
  assert.equal(stream.state, 'open');
  const closed = state(stream, 'closed');
  stream.enabled = false;
  assert.equal((await closed).reason, 'switched-off');
  assert.deepEqual(asked, [], 'nothing was fetched');
  stream.close();
});

test('what a lean stream lacks is refused with a word', () => {
  for (const options of [{ polling: true }, { shared: true }]) {
    assert.throws(() => new EventStream(URL_OF_STREAM, options), /must be false, since heartwire\/lean has neither/);
  }
});
