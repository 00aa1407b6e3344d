// How streams come to share where there are no Web Locks, and what becomes of them where they cannot.
import assert from 'node:assert/strict';
import { beforeEach, mock, test } from 'node:test';
import { source } from './source.mjs';

const { share } = await source('shared/share.ts');
const { check } = await source('options.ts');

const URL_OF_STREAM = 'http://hub.test/events?topic=t';
const WASM = new Uint8Array([0, 97, 115, 109]);
const HELLO = ['test', 'http://hub.test/heartwire.worker.js'];
const listener = { state: () => {} };

/** What each stream has for itself, if it cannot share. */
const connect = () => ({ start: () => {}, listen: () => {}, close: () => {}, lastEventId: () => '', counters: () => [] });

/** A page's end of the line: what the page said, and what the worker says. */
class FakePort {
  said = [];
  closed = false;
  postMessage(message) {
    this.said.push(structuredClone(message));
  }
  addEventListener() {}
  close() {
    this.closed = true;
  }
}

class FakeSharedWorker {
  static made = [];
  port = new FakePort();
  constructor(url, options) {
    Object.assign(this, { url, options });
    FakeSharedWorker.made.push(this);
    queueMicrotask(() => this.starts());
  }
  /** The script was loaded. */
  starts() {
    this.port.onmessage({ data: HELLO });
  }
}

class FakeBroadcastChannel {
  static names = [];
  constructor(name) {
    FakeBroadcastChannel.names.push(name);
  }
  postMessage() {}
  close() {}
}

const sharing = (options) => share(connect, () => WASM, URL_OF_STREAM, check({ shared: true, ...options }));
const settled = () => new Promise((resolve) => setImmediate(resolve));

beforeEach(() => {
  Object.defineProperty(globalThis, 'navigator', { value: {}, configurable: true });
  globalThis.BroadcastChannel = FakeBroadcastChannel;
  globalThis.SharedWorker = FakeSharedWorker;
  FakeSharedWorker.made = [];
  FakeBroadcastChannel.names = [];
});

const OBSTACLES = {
  'there are no channels': () => delete globalThis.BroadcastChannel,
  'channels are refused': () => {
    globalThis.BroadcastChannel = class {
      constructor() {
        throw new DOMException('The operation is insecure.', 'SecurityError');
      }
    };
  },
  'there are no shared workers': () => delete globalThis.SharedWorker,
  'the constructor throws': () => {
    globalThis.SharedWorker = class {
      constructor() {
        throw new DOMException('not here', 'SecurityError');
      }
    };
  },
  'the script cannot be loaded': () => {
    globalThis.SharedWorker = class extends FakeSharedWorker {
      starts() {
        this.onerror(new Event('error'));
      }
    };
  },
  'the script is of another version': () => {
    globalThis.SharedWorker = class extends FakeSharedWorker {
      starts() {
        this.port.onmessage({ data: ['0.0.9', 'http://hub.test/heartwire.worker.js'] });
      }
    };
  },
};

for (const [obstacle, put] of Object.entries(OBSTACLES)) {
  test(`each stream is on its own where ${obstacle}`, async () => {
    put();
    assert.equal(await sharing(), connect);
  });
}

test('each stream is on its own where the worker says nothing for five seconds', async () => {
  globalThis.SharedWorker = class extends FakeSharedWorker {
    starts() {}
  };
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    let made;
    sharing().then((make) => (made = make));
    await settled();
    mock.timers.tick(4_999);
    await settled();
    assert.equal(made, undefined);
    mock.timers.tick(1);
    await settled();
    assert.equal(made, connect);
  } finally {
    mock.timers.reset();
  }
});

test('what needs a function of the page is not sent to the worker', async () => {
  assert.equal(await sharing({ identity: 'ann', token: () => 'secret' }), connect);
  assert.equal(await sharing({ identity: 'ann', headers: () => ({}) }), connect);
  assert.equal(FakeSharedWorker.made.length, 0, 'and the worker is not even started');
});

test('the worker is told what it needs to connect, and of the page that goes', async () => {
  const make = await sharing({
    identity: 'ann',
    headers: new Headers({ 'x-key': 'k' }),
    maxReconnectAttempts: Infinity,
    from: 'earliest',
    parse: (text) => text,
    signal: new AbortController().signal,
  });
  const options = check({ shared: true, identity: 'ann', headers: new Headers({ 'x-key': 'k' }), maxReconnectAttempts: Infinity, from: 'earliest', enabled: false });
  const connection = make(URL_OF_STREAM, { ...options, enabled: true, lastEventId: 'a-7' }, listener);
  connection.listen('progress');
  connection.start();
  await settled();
  const { port, options: how } = FakeSharedWorker.made.at(-1);
  assert.deepEqual(how, { type: 'module', name: 'heartwire-test' });
  const [mandate] = port.said;
  assert.equal(mandate.url, URL_OF_STREAM);
  assert.deepEqual(mandate.types, ['progress']);
  assert.deepEqual(mandate.wasm, WASM);
  const { headers, lastEventId, from, maxReconnectAttempts, enabled, parse } = mandate.options;
  assert.deepEqual({ headers, lastEventId, from, maxReconnectAttempts, enabled, parse }, {
    headers: [['x-key', 'k']],
    lastEventId: 'a-7',
    from: 'earliest',
    maxReconnectAttempts: Infinity,
    enabled: undefined,
    parse: undefined,
  });

  connection.life('paused');
  assert.equal(port.said.at(-1), null);
  assert.ok(port.closed);
  connection.life('woke');
  await settled();
  const again = FakeSharedWorker.made.at(-1).port;
  assert.equal(again.said[0].name, mandate.name, 'it comes back to the same group');
  connection.close();
  assert.equal(again.said.at(-1), null);
});

test('people, options, addresses and workers are kept apart', async () => {
  const groupOf = async (options, url = URL_OF_STREAM) => {
    const checked = check({ shared: true, ...options });
    const connection = (await share(connect, () => WASM, url, checked))(url, checked, listener);
    connection.start();
    await settled();
    connection.close();
    return FakeBroadcastChannel.names.at(-1);
  };
  const ann = await groupOf({ identity: 'ann' });
  assert.equal(await groupOf({ identity: 'ann', parse: 'json' }), ann, 'what only the page has to do with');
  const others = [await groupOf(), await groupOf({ identity: 'bob' }), await groupOf({ identity: 'ann', compression: false })];
  others.push(await groupOf({ identity: 'null' }), await groupOf({ identity: 'undefined' }));
  others.push(await groupOf({ identity: 'ann', heartbeatTimeout: Infinity }));
  others.push(await groupOf({ identity: 'ann' }, 'http://hub.test/events?topic=u'));
  globalThis.SharedWorker = class extends FakeSharedWorker {
    starts() {
      this.port.onmessage({ data: ['test', 'http://hub.test/heartwire.worker-2.js'] });
    }
  };
  others.push(await groupOf({ identity: 'ann' }));
  assert.equal(new Set([ann, ...others]).size, 9);
});

test('a page whose worker hangs for good has a stream of its own in the end', async () => {
  let answers = 0;
  globalThis.SharedWorker = class extends FakeSharedWorker {
    starts() {
      answers += 1;
      // To find it and to enter the group; then no more.
      if (answers <= 2) {
        super.starts();
      }
    }
  };
  mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  try {
    let started = 0;
    const own = () => ({ ...connect(), start: () => (started += 1) });
    const options = check({ shared: true });
    const make = await share(own, () => WASM, URL_OF_STREAM, options);
    const connection = make(URL_OF_STREAM, options, listener);
    connection.start();
    await settled();
    for (let second = 1; second <= 9; second += 1) {
      assert.equal(started, 0, `after ${second} s`);
      mock.timers.tick(1_000);
      await settled();
    }
    assert.equal(started, 1, 'missed for one second, then called in vain for eight');
    connection.close();
  } finally {
    mock.timers.reset();
  }
});

test('a worker that says nothing for a second is called again, by a page that is looked at', async () => {
  let alive = true;
  globalThis.SharedWorker = class extends FakeSharedWorker {
    starts() {
      const { port } = this;
      const { postMessage } = port;
      port.postMessage = (message) => {
        postMessage.call(port, message);
        if (message === 'alive?' && alive) {
          port.onmessage({ data: 'yes' });
        }
      };
      super.starts();
    }
  };
  mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  const pass = async (ms) => {
    for (let passed = 0; passed < ms; passed += 250) {
      mock.timers.tick(250);
      await settled();
    }
  };
  try {
    const options = check({ shared: true });
    const connection = (await share(connect, () => WASM, URL_OF_STREAM, options))(URL_OF_STREAM, options, listener);
    connection.start();
    await settled();
    const { made } = FakeSharedWorker;
    const nCalls = made.length;
    await pass(3_000);
    assert.equal(made.length, nCalls, 'it answers');
    const { port } = made.at(-1);
    connection.life('hidden');
    alive = false;
    const nAsked = port.said.length;
    await pass(60_000);
    assert.equal(made.length, nCalls, 'a hidden page misses nothing');
    assert.equal(port.said.length, nAsked, 'nor does it ask');
    connection.life('shown');
    await pass(750);
    assert.equal(made.length, nCalls);
    await pass(250);
    assert.equal(made.length, nCalls + 1);
    assert.ok(made.at(-1).port.said[0].name, 'it is told what to do');
    assert.equal(port.said.at(-1), null, 'and the old line is given up, in case that one lives');
    assert.ok(port.closed);
    connection.close();
  } finally {
    mock.timers.reset();
  }
});

test('who comes after the server has ended a group begins another one', async () => {
  const { Leaders } = await source('shared/leaders.ts');
  const host = {
    BroadcastChannel: FakeBroadcastChannel,
    setTimeout: (act) => queueMicrotask(act),
    setInterval: () => {},
    clearInterval: () => {},
  };
  const upstreams = [];
  const connectFor = () => (_, sink) => {
    const upstream = { ...connect(), sink, closed: false, close: () => (upstream.closed = true) };
    upstreams.push(upstream);
    return upstream;
  };
  const leaders = new Leaders(connectFor, HELLO[1], host);
  const enter = async () => {
    const port = new FakePort();
    leaders.hear(port);
    assert.deepEqual(port.said, [HELLO]);
    port.onmessage({ data: { name: 'group', url: URL_OF_STREAM, options: check(), types: ['message'], wasm: WASM } });
    await settled();
    return port;
  };
  const first = await enter();
  await enter();
  assert.equal(upstreams.length, 1, 'the two are led by one');
  upstreams[0].sink.state('closed', 0, 0, 'stopped', 204);
  const third = await enter();
  assert.equal(upstreams.length, 2);
  first.onmessage({ data: null });
  assert.ok(!upstreams[1].closed, 'nor does it end with the first');
  third.onmessage({ data: null });
  assert.ok(upstreams[1].closed);
});
