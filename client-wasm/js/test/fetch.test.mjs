// Streams over fetch, in Node and against a real server: the same events and promises as over EventSource.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { after, before, test } from 'node:test';
import { EventStream, ExpiringEvent, GapEvent, HeartbeatEvent, init } from '../dist/heartwire.js';
import { next, state, wasm } from './host.mjs';
import { accept, event, hello, reply, serve } from './server.mjs';

const QUICK = { baseReconnectDelay: 10, maxReconnectDelay: 10, pollInterval: 10, probeInterval: 10 };
/** So late that a test would not see it. */
const LATE = 60_000;

const servers = [];
const streams = [];

before(() => init(wasm));
after(async () => {
  for (const stream of streams) {
    stream.close();
  }
  await Promise.all(servers.map((server) => server.close()));
});

async function server(respond) {
  const started = await serve(respond);
  servers.push(started);
  return started;
}

/** A stream, and what it was told in order: states, errors, gaps and events. */
function record(url, options = {}, types = ['message', 'progress']) {
  const stream = new EventStream(url, { ...QUICK, ...options });
  streams.push(stream);
  const story = [];
  stream.onstate = ({ state, reason }) => story.push(reason ? `${state} ${reason}` : state);
  stream.onerror = ({ code, status }) => story.push(`error ${code}${status === null ? '' : ` ${status}`}`);
  stream.ongap = ({ to }) => story.push(`gap ${to}`);
  for (const type of types) {
    stream.addEventListener(type, ({ data, lastEventId }) => story.push(`${type} ${data} ${lastEventId}`));
  }
  return { stream, story };
}

/** The story has come to this line. */
const told = ({ stream, story }, line) =>
  new Promise((resolve) => {
    const look = () => story.includes(line) && resolve();
    for (const type of ['state', 'error', 'gap', 'message', 'progress', 'heartbeat']) {
      stream.addEventListener(type, () => queueMicrotask(look));
    }
    look();
  });

test('where there is no EventSource, fetch brings the stream', async () => {
  assert.equal(typeof EventSource, 'undefined');
  const hub = await server((_, response) =>
    accept(
      response,
      hello('a-0'),
      event('progress', 'one', 'a-1') + event('unheard', '-', 'a-2') + event('heartbeat', { time_ms: 1 }, 'a-3'),
      event('gap', { from: 'a-3', to: 'b-0', reason: 'other-epoch' }, 'b-0'),
      event('progress+gzip', gzipSync('two '.repeat(500)).toString('base64'), 'b-1'),
      'data: three\nid: b-2\n\n',
    ),
  );
  const recorded = record(hub.url, { topics: 'a' });
  const { stream, story } = recorded;
  const gap = next(stream, 'gap');
  const heartbeat = next(stream, 'heartbeat');
  await told(recorded, 'message three b-2');
  const two = `progress ${'two '.repeat(500)} b-1`;
  assert.deepEqual(story, ['connecting', 'open', 'progress one a-1', 'gap b-0', two, 'message three b-2']);
  assert.ok((await gap) instanceof GapEvent);
  assert.ok((await heartbeat) instanceof HeartbeatEvent);
  assert.equal(stream.lastEventId, 'b-2');
  const { delivered, frames, transport, payloadLength } = stream.metrics();
  assert.deepEqual({ delivered, frames, transport, payloadLength }, { delivered: 3, frames: 1, transport: 'fetch', payloadLength: 2008 });

  const [{ method, url, headers, gone }] = hub.requests;
  assert.deepEqual([method, url], ['GET', '/events?topic=a&frames=gzip']);
  assert.equal(headers.accept, 'text/event-stream, application/json');
  assert.equal(headers.authorization, undefined);
  stream.close();
  await gone;
  assert.equal(hub.requests.length, 1);
});

test('a cut stream is resumed in the query, and nothing comes twice', async () => {
  const hub = await server((_, response, number) => {
    if (number === 1) {
      accept(response, hello(), event('progress', 'one', 'a-1'), event('progress', 'two', 'a-2'));
      response.write('event: progress\ndata: cut', () => response.destroy());
    } else {
      accept(response, hello('a-2'), event('progress', 'two', 'a-2'), event('progress', 'three', 'a-3'));
    }
  });
  const recorded = record(hub.url);
  await told(recorded, 'progress three a-3');
  assert.deepEqual(recorded.story, [
    'connecting', 'open', 'progress one a-1', 'progress two a-2',
    'waiting cut', 'error cut', 'connecting', 'open', 'progress three a-3',
  ]);
  assert.equal(hub.requests[1].query.get('last_event_id'), 'a-2');
  assert.equal(hub.requests[1].headers['last-event-id'], undefined);
  assert.equal(hub.open(), 1);
  recorded.stream.close();
});

test('the resume point travels as a header where that is asked for', async () => {
  const hub = await server((_, response) => accept(response, hello('ü-1')));
  const recorded = record(hub.url, { lastEventId: 'ü-0', lastEventIdHeader: true, compression: false });
  await told(recorded, 'open');
  const [{ url, headers }] = hub.requests;
  assert.equal(url, '/events');
  assert.equal(Buffer.from(headers['last-event-id'], 'latin1').toString(), 'ü-0');
  recorded.stream.close();
});

test('streams mean what the vectors say, in pieces of any size', async () => {
  const vectors = JSON.parse(readFileSync(new URL('../../../tests/vectors/streams.json', import.meta.url), 'utf8'));
  const plain = ({ events }) => !events.some(({ type }) => /^(connected|heartbeat|gap|closing|error|open)$|\+gzip$/.test(type));
  assert.ok(vectors.filter(plain).length > 20);
  for (const vector of vectors.filter(plain)) {
    const bytes = vector.stream === undefined ? Buffer.from(vector.stream_base64, 'base64') : Buffer.from(vector.stream);
    for (const size of [1, 3, bytes.length || 1]) {
      const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
      const { fetch } = globalThis;
      globalThis.fetch = async () =>
        new Response(ReadableStream.from(pieces), { headers: { 'content-type': 'text/event-stream' } });
      const stream = new EventStream('http://hub.test/events', { ...QUICK, polling: false, maxReconnectAttempts: 0 });
      const events = [];
      for (const type of new Set(vector.events.map(({ type }) => type))) {
        stream.addEventListener(type, ({ data, lastEventId: id }) => events.push({ type, data, id }));
      }
      await state(stream, 'closed');
      globalThis.fetch = fetch;
      assert.deepEqual(events, vector.events, `${vector.name}, ${size} bytes at a time`);
    }
  }
});

test('an event without an id is no repetition, and types that nobody listens for are left', async () => {
  const hub = await server((_, response) =>
    accept(response, hello(), event('progress', 'one', 'a-1') + event('progress', 'idless') + event('later', 'x', 'a-2')),
  );
  const recorded = record(hub.url);
  await told(recorded, 'progress idless a-1');
  assert.equal(recorded.stream.lastEventId, 'a-1');
  const later = next(recorded.stream, 'later');
  hub.requests[0].response.write(event('later', 'y', 'a-3'));
  assert.equal((await later).data, 'y');
  recorded.stream.close();
});

test('a listener that is added by another one gets what follows, in the same piece as well', async () => {
  const events = ['later', 'progress', 'later', 'progress'].map((type, i) => event(type, i, `a-${i + 1}`));
  const hub = await server((_, response) => accept(response, hello() + events.join('')));
  const recorded = record(hub.url);
  const later = [];
  recorded.stream.addEventListener('progress', () => recorded.stream.addEventListener('later', ({ data }) => later.push(data)), { once: true });
  await told(recorded, 'progress 3 a-4');
  assert.deepEqual(later, ['2']);
  recorded.stream.close();
});

test('a listener may throw the switch with the rest of a piece still to come', async () => {
  const rest = event('progress', 'two', 'a-2') + event('heartbeat', '{"time_ms":1}', 'a-3') + event('progress', 'three', 'a-4');
  const hub = await server(({ path }, response) => {
    if (path === '/events') {
      accept(response, hello() + event('progress', 'one', 'a-1') + rest);
    } else {
      reply(response, 200, { events: [{ id: 'a-4', type: 'progress', data: 'three' }], cursor: 'a-4', gap: null });
    }
  });
  const recorded = record(hub.url);
  recorded.stream.addEventListener('progress', () => (recorded.stream.enabled = false), { once: true });
  await told(recorded, 'progress three a-4');
  assert.deepEqual(recorded.story, ['connecting', 'open', 'progress one a-1', 'progress two a-2', 'polling switched-off', 'progress three a-4']);
  assert.equal(hub.requests[1].query.get('cursor'), 'a-2');
  recorded.stream.close();
});

test('published events of our own types are told apart by class', async () => {
  const hub = await server((_, response) =>
    accept(response, hello(), event('error', 'oops', 'a-1') + event('open', 'sesame', 'a-2') + event('progress', 'end', 'a-3')),
  );
  const recorded = record(hub.url);
  const kinds = [];
  for (const type of ['open', 'error']) {
    recorded.stream.addEventListener(type, (event) => kinds.push(`${type} ${event instanceof MessageEvent}`));
  }
  await told(recorded, 'progress end a-3');
  assert.deepEqual(kinds, ['open false', 'error true', 'open true']);
  assert.equal(recorded.stream.state, 'open');
  recorded.stream.close();
});

test('closing from within a listener is the end, and what was not delivered is not seen', async () => {
  const hub = await server((_, response) =>
    accept(response, hello() + event('progress', 'one', 'a-1') + event('progress', 'two', 'a-2') + event('progress', 'three', 'a-3')),
  );
  const recorded = record(hub.url);
  const delivered = [];
  recorded.stream.addEventListener('progress', () => {
    delivered.push(recorded.stream.metrics().delivered);
    if (delivered.length === 2) {
      recorded.stream.close();
    }
  });
  await told(recorded, 'closed by-page');
  assert.deepEqual(recorded.story, ['connecting', 'open', 'progress one a-1', 'progress two a-2', 'closed by-page']);
  assert.equal(recorded.stream.lastEventId, 'a-2');
  assert.deepEqual([...delivered, recorded.stream.metrics().delivered], [1, 2, 2]);
  await hub.requests[0].gone;
});

test('a refusal is waited out as long as the server asks, and its health is not asked', async () => {
  const hub = await server((_, response) =>
    reply(response, 503, { detail: 'no room', code: 'too-many-connections' }, { 'retry-after': '7' }),
  );
  const recorded = record(hub.url);
  const said = [];
  recorded.stream.addEventListener('error', ({ message }) => said.push(message));
  const { delay } = await state(recorded.stream, 'waiting');
  assert.ok(delay >= 7_000 && delay <= 7_010, String(delay));
  await told(recorded, 'error too-many-connections 503');
  assert.deepEqual(said, ['no room']);
  assert.deepEqual(recorded.story, ['connecting', 'waiting too-many-connections', 'error too-many-connections 503']);
  assert.equal(hub.requests.length, 1);
  recorded.stream.close();
});

test('the server may ask for a moment, too, and not only for a time', async () => {
  const hub = await server((_, response) =>
    reply(response, 503, { detail: 'no room', code: 'too-many-connections' }, { 'retry-after': new Date(Date.now() + 60_000).toUTCString() }),
  );
  const recorded = record(hub.url);
  const { delay } = await state(recorded.stream, 'waiting');
  // An HTTP date has whole seconds.
  assert.ok(delay > 50_000 && delay <= 60_010, String(delay));
  recorded.stream.close();
});

for (const [what, retry] of [
  ['a thousand years', '31536000000000'],
  ['more than any number', '9'.repeat(400)],
]) {
  test(`a retry of ${what} is ten minutes at most`, async () => {
    const hub = await server((_, response) => {
      accept(response, hello(), `retry: ${retry}\n\n`);
      response.end();
    });
    const recorded = record(hub.url);
    const { delay } = await state(recorded.stream, 'waiting');
    assert.ok(delay >= 1 && delay <= 600_010, String(delay));
    recorded.stream.close();
  });
}

test('a reason to refuse is told once in a row', async () => {
  const hub = await server((_, response, number) =>
    number <= 3 ? reply(response, 401, { detail: 'who?', code: 'unauthorized' }) : accept(response, hello()),
  );
  const recorded = record(hub.url);
  await told(recorded, 'open');
  assert.equal(recorded.story.filter((line) => line === 'error unauthorized 401').length, 1);
  assert.equal(recorded.story.filter((line) => line === 'error refused 401').length, 3);
  assert.equal(hub.streams().length, hub.requests.length, 'neither health nor poll');
  recorded.stream.close();
});

test('204 means stop', async () => {
  const hub = await server((_, response) => response.writeHead(204).end());
  const recorded = record(hub.url);
  await told(recorded, 'closed stopped');
  assert.deepEqual(recorded.story, ['connecting', 'closed stopped', 'error stopped 204']);
  assert.equal(hub.requests.length, 1);
});

for (const [what, type, body] of [
  ['a page', 'text/html', `<h1>${event('progress', 'no event', 'a-1')}</h1>`],
  ['a stream without a content type', undefined, event('progress', 'no event', 'a-1')],
  ['a content type that only begins alike', 'text/event-streams', event('progress', 'no event', 'a-1')],
]) {
  test(`${what} is no stream`, async () => {
    const hub = await server((_, response) => {
      response.writeHead(200, type && { 'content-type': type });
      // It never ends; nobody must wait for that.
      response.write(body);
    });
    const recorded = record(hub.url, { polling: false, maxReconnectAttempts: 1 });
    await told(recorded, 'error gave-up 200');
    assert.deepEqual(recorded.story, [
      'connecting', 'waiting refused', 'error refused 200', 'connecting', 'closed gave-up', 'error gave-up 200',
    ]);
    await Promise.all(hub.requests.map(({ gone }) => gone));
  });
}

test('whatever refuses every stream is polled past', async () => {
  const hub = await server(({ path, query }, response) => {
    if (path === '/events') {
      response.writeHead(502, { 'content-type': 'text/html' }).end('<h1>Bad gateway</h1>');
    } else if (query.get('cursor')) {
      response.once('close', () => {});
    } else {
      reply(response, 200, { events: [{ id: 'a-1', type: 'progress', data: 'by poll', topic: 't' }], cursor: 'a-1', gap: null });
    }
  });
  const recorded = record(hub.url, { probeInterval: LATE });
  await told(recorded, 'progress by poll a-1');
  assert.deepEqual(recorded.story.slice(-2), ['polling stream-blocked', 'progress by poll a-1']);
  assert.equal(hub.streams().length, 3);
  assert.ok(!hub.requests.some(({ path }) => path.endsWith('/health')));
  recorded.stream.close();
});

test('a redirect is followed here, and to another origin it is a refusal', async () => {
  const elsewhere = await server((_, response) => accept(response, hello(), event('progress', 'no event', 'a-1')));
  const hub = await server(({ path }, response, number) => {
    if (path === '/moved') {
      accept(response, hello(), event('progress', 'one', 'a-1'));
    } else {
      response.writeHead(307, { location: number === 1 ? elsewhere.url : '/moved' }).end();
    }
  });
  const recorded = record(hub.url, { polling: false });
  await told(recorded, 'progress one a-1');
  assert.deepEqual(recorded.story, [
    'connecting', 'waiting refused', 'error refused 200', 'connecting', 'open', 'progress one a-1',
  ]);
  await elsewhere.requests[0].gone;
  recorded.stream.close();
});

test('what is not UTF-8 is replaced, as the standard says', async () => {
  const hub = await server((_, response) => {
    accept(response, hello());
    // One that is cut in the middle, a stray byte, and one cut by the end of the line.
    response.write(Buffer.concat([
      Buffer.from('event: progress\nid: a-1\ndata: '), Buffer.from([0xf0, 0x9f, 0x98]), Buffer.from('-'), Buffer.from([0xff]),
      Buffer.from('-🌊ü-'), Buffer.from([0xc3]), Buffer.from('\n\n'), Buffer.from(event('progress', 'plain', 'a-2')),
    ]));
  });
  const recorded = record(hub.url);
  await told(recorded, 'progress plain a-2');
  assert.equal(recorded.story.at(-2), 'progress \ufffd-\ufffd-🌊ü-\ufffd a-1');
  recorded.stream.close();
});

for (const [what, line] of [
  ['an endless line', () => 'x'.repeat(1 << 20)],
  ['an endless comment', (n) => (n ? '' : ':') + 'x'.repeat(1 << 20)],
  ['a hundred megabytes without a blank line', () => `data: ${'x'.repeat(1 << 20)}\n`],
]) {
  test(`${what} ends the stream, not the memory`, async () => {
    let sent = 0;
    const hub = await server((_, response, number) => {
      if (number > 1) {
        accept(response, hello('a-1'), event('progress', 'two', 'a-2'));
        return;
      }
      accept(response, hello(), event('progress', 'one', 'a-1'));
      const more = () => {
        while (sent < 100 && response.write(line(sent))) {
          sent += 1;
        }
        sent += 1;
      };
      response.on('drain', more);
      more();
    });
    const recorded = record(hub.url);
    await told(recorded, 'progress two a-2');
    assert.deepEqual(recorded.story, [
      'connecting', 'open', 'progress one a-1', 'waiting cut', 'error cut', 'error event-too-long', 'connecting', 'open',
      'progress two a-2',
    ]);
    await hub.requests[0].gone;
    assert.ok(sent < 60, `${sent} MiB went out`);
    recorded.stream.close();
  });
}

test('a stream can be asked for by POST, and is then never polled for', async () => {
  const bodies = [];
  const hub = await server(async (request, response, number) => {
    bodies.push(Buffer.concat(await request.toArray()).toString());
    if (number === 2) {
      accept(response, hello('a-1'), event('progress', 'two', 'a-2'));
    } else if (number === 1) {
      accept(response, hello(), event('progress', 'one', 'a-1'));
      response.end();
    } else {
      reply(response, 502, {});
    }
  });
  const headers = { 'content-type': 'application/json', 'x-key': 'k' };
  const recorded = record(hub.url, { body: '{"prompt":"hi"}', headers, polling: true });
  await told(recorded, 'progress two a-2');
  assert.deepEqual(bodies, ['{"prompt":"hi"}', '{"prompt":"hi"}']);
  for (const { method, headers: got } of hub.requests) {
    assert.deepEqual([method, got['content-type'], got['x-key']], ['POST', 'application/json', 'k']);
  }
  hub.requests[1].response.destroy();
  await hub.request(7);
  assert.ok(hub.requests.every(({ method, path }) => method === 'POST' && path === '/events'), 'it waits and tries again');
  recorded.stream.close();

  const off = record(hub.url, { body: 'x', enabled: false });
  await told(off, 'closed switched-off');
});

test('each request has a fresh token, and the headers of the moment', async () => {
  let n = 0;
  const hub = await server(({ path }, response, number) => {
    if (path.endsWith('/poll')) {
      reply(response, 200, { events: [], cursor: 'a-0', gap: null });
    } else if (path.endsWith('/health')) {
      reply(response, 200, { enabled: false, active_connections: 0, max_connections: null, heartbeat_interval: 30 });
    } else if (number === 1) {
      response.destroy();
    }
  });
  const recorded = record(hub.url, {
    // A second try within these would be a request that is not counted with.
    baseReconnectDelay: LATE,
    maxReconnectDelay: LATE,
    probeInterval: LATE,
    token: async () => `t${++n}`,
    headers: () => ({ 'X-Count': String(n) }),
  });
  await told(recorded, 'polling server-disabled');
  await hub.request(5);
  recorded.stream.close();
  assert.deepEqual(hub.requests.slice(0, 3).map(({ path }) => path), ['/events', '/events/health', '/events/poll']);
  hub.requests.slice(0, 3).forEach(({ headers }, i) => {
    assert.equal(headers.authorization, `Bearer t${i + 1}`);
    assert.equal(headers['x-count'], String(i));
  });
});

test('a stream whose token expires soon is replaced in time, and the page notices nothing', async () => {
  let n = 0;
  const hub = await server((_, response, number) => {
    if (number === 1) {
      accept(response, hello(), event('progress', 'one', 'a-1'), event('expiring', { expires_in_ms: 40 }, 'a-1'));
    } else {
      accept(response, hello('a-1'), event('progress', 'two', 'a-2'));
    }
  });
  const recorded = record(hub.url, { token: () => `t${++n}` });
  const expiring = next(recorded.stream, 'expiring');
  assert.ok((await expiring) instanceof ExpiringEvent);
  assert.equal((await expiring).expiresIn, 40);
  await told(recorded, 'progress two a-2');
  assert.deepEqual(recorded.story, ['connecting', 'open', 'progress one a-1', 'progress two a-2']);
  assert.deepEqual(hub.requests.map(({ headers }) => headers.authorization), ['Bearer t1', 'Bearer t2']);
  assert.equal(hub.requests[1].query.get('last_event_id'), 'a-1');
  await hub.requests[0].gone;
  recorded.stream.close();
});

test('without a way to a fresh token, or with a body, the stream lives to its end', async () => {
  const hub = await server((_, response) => accept(response, hello(), event('expiring', { expires_in_ms: 0 }, 'a-0')));
  for (const options of [{ headers: { authorization: 'Bearer t' } }, { body: 'ask', token: () => 't' }]) {
    const before = hub.requests.length;
    const recorded = record(hub.url, options);
    const expiring = next(recorded.stream, 'expiring');
    await expiring;
    const [{ response }] = hub.requests.slice(before);
    response.write(event('progress', 'later', 'a-1'));
    await told(recorded, 'progress later a-1');
    assert.equal(hub.requests.length, before + 1);
    response.end(event('closing', { reason: 'token-expired', retry_ms: LATE }, 'a-1'));
    await told(recorded, 'error token-expired');
    recorded.stream.close();
  }
});

test('a token that cannot be had costs the attempt, and is told', async () => {
  const hub = await server((_, response) => accept(response, hello()));
  const ways = [() => Promise.reject(new Error('expired')), () => { throw new Error('logged out'); }, () => 'good'];
  const recorded = record(hub.url, { polling: false, token: () => ways.shift()() });
  await told(recorded, 'open');
  const lost = ['error token-failed', 'waiting refused', 'error refused'];
  assert.deepEqual(recorded.story, ['connecting', ...lost, 'connecting', ...lost, 'connecting', 'open']);
  assert.equal(hub.requests.length, 1);
  recorded.stream.close();
});

test('a token that no header can carry costs the attempt, and is told', async () => {
  const recorded = record('http://127.0.0.1:1/events', { polling: false, maxReconnectAttempts: 0, token: () => 'two\nlines' });
  await told(recorded, 'error gave-up');
  assert.deepEqual(recorded.story, ['connecting', 'error token-failed', 'closed gave-up', 'error gave-up']);
});

test('headers that are none cost the attempt, and are told', async () => {
  const recorded = record('http://127.0.0.1:1/events', { polling: false, maxReconnectAttempts: 0, headers: () => ({ 'no header': 'x' }) });
  await told(recorded, 'error gave-up');
  assert.deepEqual(recorded.story, ['connecting', 'error headers-failed', 'closed gave-up', 'error gave-up']);
});

test('a token that never comes is waited for no longer than a connection', async () => {
  const hub = await server((_, response) => accept(response, hello()));
  let late;
  const tokens = [new Promise((resolve) => { late = resolve; }), Promise.resolve('')];
  // Long enough for the second one to connect in, on a machine however busy.
  const recorded = record(hub.url, { polling: false, connectTimeout: 1_000, token: () => tokens.shift() });
  await told(recorded, 'waiting connect-timeout');
  late('too late');
  await told(recorded, 'open');
  assert.deepEqual(hub.requests.map(({ headers }) => headers.authorization), [undefined], 'nothing was sent with the late one');
  recorded.stream.close();
});

test('closing while it connects abandons the request', async () => {
  const hub = await server(() => {});
  const recorded = record(hub.url);
  const { gone } = await hub.request(1);
  recorded.stream.close();
  await gone;
  assert.deepEqual(recorded.story, ['connecting', 'closed by-page']);
});

test('closing abandons the question after the health', async () => {
  const hub = await server(({ path }, response) => path === '/events' && response.destroy());
  const recorded = record(hub.url, { baseReconnectDelay: LATE, maxReconnectDelay: LATE });
  const { path, gone } = await hub.request(2);
  assert.equal(path, '/events/health');
  recorded.stream.close();
  await gone;
});

test('closing while the token is fetched sends nothing', async () => {
  const hub = await server(() => {});
  let give;
  const asked = new Promise((resolve) => { give = resolve; });
  const token = new Promise((resolve) => { give(resolve); });
  const recorded = record(hub.url, { token: () => token });
  const resolve = await asked;
  await told(recorded, 'connecting');
  recorded.stream.close();
  resolve('t');
  await token;
  assert.deepEqual(recorded.story, ['connecting', 'closed by-page']);
  assert.equal(hub.requests.length, 0);
});

test('a comment is a sign of life', async () => {
  const limit = 1_000;
  const hub = await server((_, response) => accept(response, hello()));
  const recorded = record(hub.url, { heartbeatTimeout: limit });
  const silent = new Promise((resolve) => {
    recorded.stream.addEventListener('state', ({ reason }) => reason === 'silent' && resolve(recorded.stream.metrics().silence));
  });
  await told(recorded, 'open');
  const { response, gone } = hub.requests[0];
  const opened = performance.now();
  const comments = setInterval(() => response.write(':\n'), 20);
  // For longer than the limit, and only then silence.
  setTimeout(() => clearInterval(comments), 1.5 * limit);
  const silence = await silent;
  const ended = performance.now();
  // A busy machine may hold comments up for that long; to the reader, too, this is a silence then.
  assert.ok(silence >= limit - 5, `it was called silent ${silence} ms after a comment`);
  assert.ok(ended - silence > opened, 'it heard a comment');
  await gone;
  recorded.stream.close();
});

test('a silent stream is closed before the next one opens', async () => {
  const most = [];
  const hub = await server((_, response) => {
    most.push(hub.open());
    accept(response, hello());
  });
  const recorded = record(hub.url, { heartbeatTimeout: 10 });
  await hub.request(4);
  for (const { gone } of hub.requests.slice(0, 3)) {
    await gone;
  }
  recorded.stream.close();
  assert.deepEqual(most.slice(0, 1), [1]);
});

test('a server that is switched off is polled at once, without a question after its health', async () => {
  let enabled = false;
  const hub = await server(({ path }, response) => {
    if (path.endsWith('/health')) {
      reply(response, 200, { enabled, active_connections: 0, max_connections: null, heartbeat_interval: 30 });
    } else if (path.endsWith('/poll')) {
      reply(response, 200, { events: [], cursor: 'a-0', gap: null });
    } else if (enabled) {
      accept(response, hello());
    } else {
      reply(response, 503, { detail: 'SSE is not enabled on this server', code: 'sse-disabled' }, { 'retry-after': '30' });
    }
  });
  const recorded = record(hub.url, { transport: 'fetch', probeInterval: 50 });
  await told(recorded, 'polling server-disabled');
  assert.deepEqual(hub.requests.slice(0, 1).map(({ path }) => path), ['/events']);
  await hub.request(2);
  assert.equal(hub.requests[1].path, '/events/poll');
  enabled = true;
  await told(recorded, 'open');
  recorded.stream.close();
});

test('the stream is pulled, piece by piece', async () => {
  let pulled = 0;
  let taken = 0;
  const { fetch } = globalThis;
  globalThis.fetch = async () =>
    new Response(
      new ReadableStream(
        {
          pull(controller) {
            assert.ok(pulled - taken <= 1, 'one at a time');
            pulled += 1;
            controller.enqueue(new TextEncoder().encode(event('progress', String(pulled), `a-${pulled}`)));
          },
        },
        { highWaterMark: 0 },
      ),
      { headers: { 'content-type': 'text/event-stream' } },
    );
  const recorded = record('http://hub.test/events');
  recorded.stream.addEventListener('progress', () => {
    taken += 1;
    if (taken === 100) {
      recorded.stream.close();
    }
  });
  await told(recorded, 'closed by-page');
  globalThis.fetch = fetch;
  assert.equal(taken, 100);
  assert.ok(pulled <= 101);
});

test('a page that is put aside closes its stream, and goes on when it comes back', async () => {
  const page = new EventTarget();
  globalThis.addEventListener = page.addEventListener.bind(page);
  const hub = await server((_, response) => accept(response, hello()));
  const recorded = record(hub.url);
  await told(recorded, 'open');
  page.dispatchEvent(new Event('pagehide'));
  await hub.requests[0].gone;
  page.dispatchEvent(Object.assign(new Event('pageshow'), { persisted: true }));
  await told(recorded, 'waiting slept');
  await hub.request(2);
  delete globalThis.addEventListener;
  recorded.stream.close();
});

test('credentials are sent as asked', async () => {
  const { fetch } = globalThis;
  const seen = [];
  globalThis.fetch = async (_, { credentials, cache, method }) => {
    seen.push([credentials, cache, method]);
    return new Response(null, { status: 204 });
  };
  for (const withCredentials of [false, true]) {
    const recorded = record('http://hub.test/events', { withCredentials });
    await told(recorded, 'closed stopped');
  }
  globalThis.fetch = fetch;
  assert.deepEqual(seen, [['same-origin', 'no-store', 'GET'], ['include', 'no-store', 'GET']]);
});
