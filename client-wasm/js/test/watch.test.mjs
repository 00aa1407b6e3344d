// What those see who look after a stream: metrics and the debug log.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { before, beforeEach, test } from 'node:test';
import { EventStream, init } from '../dist/heartwire.js';
import { help } from '../dist/help.js';
import { made, reset, state, wasm } from './host.mjs';
import { accept, event, hello, serve } from './server.mjs';

/** The real one, which the fakes stand in for. */
const { fetch } = globalThis;
const QUICK = { baseReconnectDelay: 10, maxReconnectDelay: 10 };

before(() => init(wasm));
beforeEach(reset);

test('metrics tell the transport, reconnects and the silence', async () => {
  const stream = new EventStream('http://hub.test/events', QUICK);
  assert.deepEqual([stream.metrics().silence, stream.metrics().transport, stream.metrics().reconnects], [null, 'none', 0]);
  const source = await made();
  source.greet();
  const { silence, transport, bytes } = stream.metrics();
  assert.ok(silence >= 0 && silence < 60_000);
  assert.deepEqual([transport, bytes], ['eventsource', 0]);
  const reopening = made();
  source.cut();
  (await reopening).greet();
  assert.equal(stream.metrics().reconnects, 1);
  stream.close();
});

test('over fetch the bytes are counted', async () => {
  const text = `:\n\n${hello()}${event('message', 'ünï', 'a-1')}`;
  const server = await serve((_, response) => accept(response, text.slice(3)));
  globalThis.fetch = fetch;
  const stream = new EventStream(server.url, { transport: 'fetch' });
  await stream.once('message');
  const { bytes, transport } = stream.metrics();
  assert.equal(bytes, Buffer.byteLength(text));
  assert.equal(transport, 'fetch');
  stream.close();
  await server.close();
});

test('metrics are reported at each state and heartbeat, and not for what was published under those names', async () => {
  const reports = [];
  const stream = new EventStream('http://hub.test/events', { ...QUICK, types: 'state', metrics: (now) => reports.push(now) });
  const source = await made();
  source.greet();
  source.send('heartbeat', { time_ms: 1 }, 'a-1');
  source.send('state', 'published', 'a-2');
  stream.close();
  assert.deepEqual(reports.map(({ state, heartbeats }) => `${state} ${heartbeats}`), ['connecting 0', 'open 0', 'open 1', 'closed 1']);
});

test('the debug log has states, errors and gaps, and neither payload nor query', async () => {
  const lines = [];
  const options = { ...QUICK, parse: 'json', types: ['message', 'error'], debug: (line, detail) => lines.push([line, detail]) };
  const stream = new EventStream('http://hub.test/events?token=secret', options);
  const source = await made();
  source.greet();
  source.send('gap', { from: 'a-0', to: 'b-0', reason: 'other-epoch' }, 'b-0');
  source.send('message', 'payload', 'b-1');
  source.send('error', '"payload"', 'b-2');
  stream.close();
  assert.deepEqual(lines.map(([line]) => line), ['connecting', 'open', 'gap', 'error', 'closed'].map((what) => `heartwire: ${what}`));
  assert.deepEqual(lines[2][1], { url: 'http://hub.test/events', from: 'a-0', to: 'b-0', reason: 'other-epoch' });
  assert.equal(lines[3][1].code, 'parse-failed');
  assert.ok(!JSON.stringify(lines).match(/secret|payload/));
});

test('a console gets both when they are true', async () => {
  const lines = [];
  const { debug } = console;
  console.debug = (line) => lines.push(line);
  try {
    const stream = new EventStream('http://hub.test/events', { debug: true, metrics: true });
    const closed = state(stream, 'closed');
    stream.close();
    await closed;
  } finally {
    console.debug = debug;
  }
  assert.deepEqual(lines, ['heartwire: closed', 'heartwire: metrics']);
});

test('a log and a report that throw break nothing', async () => {
  const thrown = [];
  const all = new Promise((resolve) => {
    process.setUncaughtExceptionCaptureCallback((error) => thrown.push(error.message) === 6 && resolve());
  });
  const fail = (what) => () => {
    throw new Error(what);
  };
  const stream = new EventStream('http://hub.test/events', { debug: fail('log'), metrics: fail('report') });
  const open = stream.once('open');
  (await made()).greet();
  await open;
  stream.close();
  await all;
  process.setUncaughtExceptionCaptureCallback(null);
  assert.deepEqual(thrown, ['log', 'report', 'log', 'report', 'log', 'report']);
});

test('a client says its name to the server', async () => {
  const stream = new EventStream('http://hub.test/events', { topics: 'a', clientId: 'tab 7' });
  assert.equal(stream.url, 'http://hub.test/events?topic=a&client_id=tab+7');
  assert.equal((await made()).url.searchParams.get('client_id'), 'tab 7');
  stream.close();
});

test('each code has a sentence of help, and an unknown one is no error', async () => {
  const source = await readFile(new URL('../src/events.ts', import.meta.url), 'utf8');
  const words = (name) => source.split(`export type ${name} =`)[1].split(';')[0].match(/(?<=\| ')[a-z-]+/g);
  const codes = [...words('LossReason'), ...words('StreamErrorCode')];
  assert.ok(codes.length >= 22);
  for (const code of codes) {
    assert.match(help(code), /^[A-Z].{30,}[.?]$/, code);
    assert.ok(!help(code).includes(`"${code}"`), `${code} is known`);
  }
  assert.match(help('toString'), /"toString"/);
});
