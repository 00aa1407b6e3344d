// Many streams of one group, against a world made of dice: tabs that come, close, crash, hang, are put aside and wake,
// a worker that does the same, and channels that are as slow as they like. Every page gets every event once and in order.
import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { dice, eachSeed } from './dice.mjs';
import { source } from './source.mjs';

const { Member } = await source('shared/member.ts');
const { WebLock } = await source('shared/lock.ts');
const { WorkerLock } = await source('shared/worker-lock.ts');
const { Leaders } = await source('shared/leaders.ts');
const { Log } = await source('shared/log.ts');

const TYPES = ['a', 'b', 'c'];

const settled = () => new Promise((resolve) => setImmediate(resolve));

/** Locks as the browser has them: one queue for all tabs; who is gone loses its place. */
class Locks {
  held;
  queue = [];

  of(tab) {
    return {
      request: (name, { signal, steal }, act) =>
        new Promise((resolve, reject) => {
          const request = { tab, name, act, resolve, reject };
          signal?.addEventListener('abort', () => {
            if (this.queue.includes(request)) {
              this.queue.splice(this.queue.indexOf(request), 1);
              reject(signal.reason);
            }
          });
          if (steal) {
            this.held?.reject(new DOMException('stolen', 'AbortError'));
            this.grant(request);
          } else {
            this.queue.push(request);
          }
        }),
      query: async () => ({ held: this.held ? [{ name: this.held.name }] : [], pending: this.queue.map(({ name }) => ({ name })) }),
    };
  }

  /** Gives the lock to whoever is next, if it is free. */
  step() {
    if (!this.held && this.queue.length) {
      this.grant(this.queue.shift());
    }
  }

  grant(request) {
    this.held = request;
    const over = (settle) => (value) => {
      if (this.held === request) {
        this.held = undefined;
      }
      settle(value);
    };
    Promise.resolve(request.tab.run(() => request.act())).then(over(request.resolve), over(request.reject));
  }

  forget(tab) {
    this.queue = this.queue.filter((request) => request.tab !== tab);
    if (this.held?.tab === tab) {
      this.held = undefined;
    }
  }
}

/** A server that keeps the last so many events. */
class Server {
  log = [];
  counts = { a: 0, b: 0, c: 0 };
  streams = new Set();

  constructor(keeps, ordered) {
    this.keeps = keeps;
    this.ordered = ordered;
    // Ids that say nothing of their order are as good.
    this.id = ordered ? (n) => `e-${n}` : (n) => `x${(n * 7919) % 100_003}y${n}`;
  }

  publish(type) {
    this.counts[type] += 1;
    this.log.push({ type, data: String(this.counts[type]), id: this.id(this.log.length + 1) });
  }

  /** How many events of that type there are up to and including the one with that id. */
  countUpTo(id, type) {
    const end = this.log.findIndex((event) => event.id === id) + 1;
    return this.log.slice(0, end).filter((event) => event.type === type).length;
  }

  /** What the engine would be: a connection that resumes, and is told of gaps. */
  connect(tab, options, sink) {
    const types = new Set();
    let position;
    let id = options.lastEventId ?? '';
    /** What a slow reader gets in the place of all events of a gap. */
    let newest = [];
    const deliver = (event) => {
      if (types.has(event.type)) {
        id = event.id;
        sink.deliver(event.type, event.data, event.id);
      }
    };
    const stream = {
      /** [protocol, section 4.3.1] It was too slow: it is moved forward, and may be brought the newest of each type. */
      lag: (bringsNewest) => {
        if (position !== undefined && position < this.log.length && !newest.length) {
          const [from, to] = [this.id(position), this.id(this.log.length)];
          if (bringsNewest) {
            newest = this.log.slice(position).filter(({ type }, i, events) => !events.slice(i + 1).some((later) => later.type === type));
          }
          id = newest.length ? from : to;
          position = this.log.length;
          sink.gap(from, to, 'lagged');
        }
      },
      step: (n) => {
        if (position === undefined) {
          const oldest = Math.max(0, this.log.length - this.keeps);
          const at = id ? this.log.findIndex((event) => event.id === id) + 1 : options.from === 'earliest' ? oldest : this.log.length;
          position = Math.max(at, oldest);
          const gap = id && at < oldest && [id, this.id(position), 'evicted'];
          id = gap ? id : this.id(position);
          sink.state('open', 0, 0, undefined, null);
          if (gap && this.streams.has(stream)) {
            id = gap[1];
            sink.gap(...gap);
          }
        }
        for (; n > 0 && newest.length && this.streams.has(stream); n -= 1) {
          deliver(newest.shift());
        }
        for (; n > 0 && position < this.log.length && this.streams.has(stream); n -= 1) {
          deliver(this.log[position++]);
        }
        if (n > 0 && this.streams.has(stream)) {
          id = this.id(position);
          sink.heartbeat(0);
        }
      },
      cut: () => {
        position = undefined;
        newest = [];
        sink.state('waiting', 1, 0, 'cut', null);
      },
      tab,
    };
    return {
      start: () => {
        this.streams.add(stream);
        sink.state('connecting', 0, 0, undefined, null);
      },
      listen: (type) => types.add(type),
      setEnabled: () => {},
      close: () => this.streams.delete(stream),
      lastEventId: () => id,
      counters: () => [],
    };
  }
}

/** One end of a line between two places. What is sent on it arrives in order, and whenever the dice say. */
class Port {
  closed = false;
  closing = [];

  constructor(place) {
    this.place = place;
    place.ports.add(this);
  }

  static pair(one, other) {
    const [port, far] = [new Port(one), new Port(other)];
    port.far = far;
    far.far = port;
    return [port, far];
  }

  postMessage(message) {
    const data = structuredClone(message);
    this.far.place.queue(this, () => this.far.closed || this.far.onmessage({ data }));
  }

  addEventListener(type, act) {
    assert.equal(type, 'close');
    this.closing.push(act);
  }

  close() {
    if (!this.closed) {
      this.closed = true;
      if (this.place.world.tellsOfClosing) {
        this.far.place.queue(this, () => this.far.closed || this.far.closing.forEach((act) => act()));
      }
    }
  }
}

/** Where code runs: a tab, or the worker. */
class Place {
  alive = true;
  hung = false;
  /** What has been sent and not arrived, by sender. */
  inboxes = new Map();
  timers = [];
  late = [];
  channels = new Set();
  ports = new Set();

  constructor(world) {
    this.world = world;
    const place = this;
    this.host = {
      BroadcastChannel: class {
        constructor() {
          place.channels.add(this);
        }
        postMessage(message) {
          world.post(place, structuredClone(message));
        }
        close() {
          place.channels.delete(this);
        }
      },
      setTimeout: (act, ms) => this.timers.push({ at: world.now + ms, act }),
      setInterval: (act, ms) => this.timers.push({ at: world.now + ms, act, ms }) && act,
      clearInterval: (act) => (this.timers = this.timers.filter((timer) => timer.act !== act)),
    };
  }

  queue(sender, act) {
    if (this.alive) {
      this.inboxes.set(sender, [...(this.inboxes.get(sender) ?? []), act]);
    }
  }

  /** Runs something here, or when this place has come to itself again. */
  run(act) {
    if (this.hung) {
      return new Promise((resolve) => this.late.push(() => resolve(this.alive ? act() : undefined)));
    }
    return act();
  }

  wake() {
    this.hung = false;
    this.late.splice(0).forEach((act) => act());
  }
}

/** The shared worker. */
class Worker extends Place {
  constructor(world) {
    super(world);
    const connect = () => (options, sink) => world.server.connect(this, options, sink);
    this.leaders = new Leaders(connect, 'http://hub.test/heartwire.worker.js', this.host);
  }
}

/** A page that checks the promise as it reads. */
class Tab extends Place {
  paused = false;
  opened = false;
  enabled = true;
  /** Whether it found no worker, and has a stream of its own. */
  refused = false;
  types = new Set();
  last = {};

  constructor(world, options, types = world.some(TYPES)) {
    super(world);
    const page = {
      deliver: (type, data) => this.event(type, Number(data)),
      state: (state) => {
        if (state === 'open' && !this.opened) {
          this.opened = true;
          for (const type of this.types) {
            this.last[type] ??= { atMost: world.server.counts[type] };
          }
        }
      },
      heartbeat: () => {},
      gap: (_, to) => {
        for (const type of this.types) {
          this.last[type] = { ...this.last[type], toldUpTo: world.server.countUpTo(to, type) };
        }
      },
      error: () => {},
    };
    const connect = (options, sink) => world.server.connect(this, options, sink);
    const lock = (holder, page) => (world.hasLocks ? new WebLock(world.locks.of(this), 'group', holder) : this.workerLock(options, holder, page));
    this.member = new Member('group', options, page, connect, lock, this.host);
    types.forEach((type) => this.listen(type));
    this.member.start();
  }

  workerLock(options, holder, page) {
    const mandate = () => ({
      name: 'group',
      url: 'http://hub.test/events',
      options: { ...options, lastEventId: page.id || null },
      types: [...page.types],
      wasm: new Uint8Array(0),
    });
    const refused = () => {
      this.refused = true;
      holder.refused();
    };
    const lock = new WorkerLock(() => this.world.callWorker(this), mandate, { ...holder, refused }, this.host);
    return {
      wait: () => {
        this.refused = false;
        lock.wait();
      },
      giveUp: () => lock.giveUp(),
      watch: (on) => lock.watch(on),
      nWaiting: () => assert.fail('a page never leads'),
    };
  }

  listen(type) {
    if (!this.types.has(type)) {
      this.types.add(type);
      if (this.opened) {
        this.last[type] = { atMost: this.world.server.counts[type] };
      }
      this.member.listen(type);
    }
  }

  event(type, number) {
    assert.ok(this.alive && this.types.has(type), 'only what it listens for');
    const { number: last, atMost, toldUpTo = 0 } = this.last[type] ?? {};
    assert.ok(!(number <= last), `${type} ${number} once and in order, after ${last}`);
    // What is left out was told to be gone.
    assert.ok(!(number - 1 > Math.max(last ?? atMost, toldUpTo)), `${type} ${number} after ${last ?? atMost}, with a gap up to ${toldUpTo}`);
    this.last[type] = { number, toldUpTo };
    // A listener may do what it likes.
    const act = this.world.isCalm ? 99 : this.world.dice.below(100);
    if (act < 2) {
      this.listen(this.world.dice.pick(TYPES));
    } else if (act === 2) {
      this.throwSwitch();
      if (this.world.dice.below(2)) {
        this.throwSwitch();
      }
    } else if (act === 3) {
      this.close();
    }
  }

  throwSwitch() {
    this.enabled = !this.enabled;
    this.member.setEnabled(this.enabled);
  }

  close() {
    this.member.close();
    this.alive = false;
    this.world.endWorker();
  }

  wake() {
    super.wake();
    if (this.paused) {
      this.paused = false;
      this.inboxes.clear();
      this.member.life('woke');
    }
  }
}

class World {
  now = 0;
  tabs = [];
  locks = new Locks();
  worker;
  isCalm = false;

  constructor(seed, hasLocks) {
    this.hasLocks = hasLocks;
    this.dice = dice(seed);
    // Whether ports have the event `close`.
    this.tellsOfClosing = this.dice.below(2) === 0;
    this.server = new Server(this.dice.pick([15, 10_000]), this.dice.below(2) === 0);
  }

  some(list) {
    const chosen = list.filter(() => this.dice.below(2));
    return chosen.length ? chosen : [list[0]];
  }

  get live() {
    return this.tabs.filter((tab) => tab.alive);
  }

  /** The tabs, and the worker. */
  get places() {
    return this.worker?.alive ? [...this.live, this.worker] : this.live;
  }

  post(from, data) {
    for (const place of this.places) {
      if (place !== from && place.channels.size) {
        place.queue(from, () => place.channels.forEach((channel) => channel.onmessage({ data })));
      }
    }
  }

  /** One message of some sender arrives. */
  arrive(place) {
    const inboxes = [...place.inboxes.values()].filter((inbox) => inbox.length);
    if (!place.hung && inboxes.length) {
      this.dice.pick(inboxes).shift()();
    }
    return inboxes.length > 0;
  }

  /** [spec] `new SharedWorker`: starts it, or finds it running. */
  callWorker(tab) {
    if (!this.worker?.alive) {
      this.worker = new Worker(this);
    }
    const { worker } = this;
    const [port, far] = Port.pair(tab, worker);
    worker.queue(port, () => worker.leaders.hear(far));
    return { port };
  }

  open() {
    if (this.live.length < 6) {
      const options = this.dice.pick([{}, {}, {}, { from: 'earliest' }, { lastEventId: this.dice.pick(this.server.log)?.id ?? null }]);
      this.tabs.push(new Tab(this, options));
    }
  }

  kill(place) {
    place.alive = false;
    place.crashed = true;
    place.channels.clear();
    place.ports.forEach((port) => port.close());
    this.locks.forget(place);
    this.server.streams.forEach((stream) => stream.tab === place && this.server.streams.delete(stream));
    this.endWorker();
  }

  /** The browser ends a worker whose last page has gone. */
  endWorker() {
    if (this.worker?.alive && !this.live.length) {
      this.kill(this.worker);
    }
  }

  pass(ms) {
    this.now += ms;
    for (const tab of this.places.filter(({ hung }) => !hung)) {
      for (const timer of tab.timers.filter(({ at }) => at <= this.now)) {
        if (timer.ms) {
          timer.at = this.now + timer.ms;
        } else {
          tab.timers.splice(tab.timers.indexOf(timer), 1);
        }
        timer.act();
      }
    }
  }

  stream(n) {
    const stream = this.dice.pick([...this.server.streams]);
    if (stream && !stream.tab.hung) {
      stream.step(n);
    }
  }

  step() {
    const { dice } = this;
    const tab = dice.pick(this.live);
    const place = dice.pick(this.places);
    const awake = tab && !tab.hung && !tab.paused;
    const kind = dice.below(100);
    if (kind < 20) {
      for (let n = dice.below(4); n >= 0; n -= 1) {
        this.server.publish(dice.pick(TYPES));
      }
    } else if (kind < 45) {
      this.stream(dice.below(4));
    } else if (kind < 70) {
      place && this.arrive(place);
    } else if (kind < 76) {
      this.locks.step();
    } else if (kind < 84) {
      this.pass(dice.below(600));
    } else if (kind < 88) {
      this.open();
    } else if (kind < 90) {
      place && this.kill(place);
    } else if (kind < 92) {
      if (awake) {
        tab.member.life('paused');
        tab.paused = true;
      }
    } else if (kind < 94) {
      if (place) {
        place.hung = true;
      }
    } else if (kind < 97) {
      place?.wake();
    } else if (kind < 98) {
      // Also when it is put aside, as it may on its way there and back.
      if (tab && !tab.hung) {
        tab.listen(dice.pick(TYPES));
      }
    } else if (kind < 99 && awake && dice.below(2)) {
      tab.throwSwitch();
    } else if (kind < 99) {
      const stream = dice.pick([...this.server.streams]);
      if (dice.below(2)) {
        stream?.cut();
      } else if (stream && !stream.tab.hung) {
        stream.lag(this.server.ordered && dice.below(2));
      }
    } else if (awake) {
      tab.close();
    }
  }

  /** All is well again: whoever waits gets what it waits for. */
  async calm() {
    this.isCalm = true;
    this.places.forEach((place) => {
      place.wake();
      place.member?.setEnabled(true);
    });
    for (let round = 0; round < 60; round += 1) {
      this.locks.step();
      for (let more = true; more; ) {
        more = this.places.map((place) => this.arrive(place)).some(Boolean);
        await settled();
      }
      this.server.streams.forEach((stream) => stream.step(100));
      this.server.publish(this.dice.pick(TYPES));
      this.pass(250);
      await settled();
    }
    for (let round = 0; round < 5; round += 1) {
      this.server.streams.forEach((stream) => stream.step(100));
      await settled();
      while (this.places.map((place) => this.arrive(place)).some(Boolean));
      await settled();
    }
  }

  /** Every page closes its stream, and stays. */
  async allClose() {
    this.live.forEach((tab) => tab.member.close());
    for (let more = true; more; ) {
      more = this.places.map((place) => this.arrive(place)).some(Boolean);
      await settled();
    }
    // A page that crashed has said nothing, and where nobody else tells the worker it counts that page for ever.
    if (this.hasLocks || this.tellsOfClosing || this.tabs.every((tab) => !tab.crashed)) {
      assert.equal(this.server.streams.size, 0, 'no stream for nobody');
    }
  }
}

/** Lets so many worlds pass, one for each seed. */
const check = (hasLocks, nWorlds) =>
  eachSeed(nWorlds, async (seed) => {
    const world = new World(seed, hasLocks);
    mock.method(Date, 'now', () => world.now);
    mock.method(Math, 'random', () => world.dice.below(2 ** 32) / 2 ** 32);
    try {
      world.open();
      for (let i = 0; i < 250; i += 1) {
        world.step();
        await settled();
      }
      await world.calm();
      for (const tab of world.live) {
        for (const type of tab.types) {
          const { number, atMost, toldUpTo = 0 } = tab.last[type] ?? {};
          const count = world.server.counts[type];
          assert.equal(Math.max(number ?? atMost ?? count, toldUpTo), count, `a page has all of ${type} in the end`);
        }
      }
      const refused = world.live.filter((tab) => tab.refused).length;
      const together = Math.min(1, world.live.length - refused);
      assert.equal(world.server.streams.size, refused + together, 'one stream for all of them in the end');
      await world.allClose();
    } finally {
      mock.restoreAll();
    }
  });

test('every page gets every event once and in order, whoever leads', () => check(true, 100));

test('every page gets every event once and in order, where a worker leads', () => check(false, 100));

test('whoever begins a group needs no stream besides that of the group, wherever it begins', async () => {
  for (const hasLocks of [true, false]) {
    for (const from of ['live', 'earliest', 'an id']) {
      const world = new World(1, hasLocks);
      TYPES.forEach((type) => world.server.publish(type));
      const tab = new Tab(world, from === 'an id' ? { lastEventId: world.server.log[0].id } : { from });
      world.tabs.push(tab);
      let most = 0;
      for (let round = 0; round < 20; round += 1) {
        world.locks.step();
        world.places.forEach((place) => world.arrive(place));
        await settled();
        most = Math.max(most, world.server.streams.size);
        world.stream(100);
        world.pass(100);
      }
      assert.ok(tab.opened);
      assert.equal(most, 1, `${hasLocks ? 'with' : 'without'} locks, from ${from}`);
    }
  }
});

/** So many tabs that follow one of them, the first. */
async function group(nTabs, types) {
  const world = new World(1, true);
  const tabs = Array.from({ length: nTabs }, () => {
    const tab = new Tab(world, {}, types);
    world.tabs.push(tab);
    return tab;
  });
  const pass = async () => {
    world.locks.step();
    for (let round = 0; round < 5; round += 1) {
      world.live.forEach((tab) => world.arrive(tab));
      world.pass(50);
      await settled();
    }
  };
  await pass();
  world.stream(1);
  await pass();
  return { world, tabs, pass };
}

for (const [what, act] of [
  ['closes its stream', (tab) => tab.close()],
  ['throws the switch', (tab) => tab.throwSwitch()],
  ['throws the switch there and back', (tab) => (tab.throwSwitch(), tab.throwSwitch())],
]) {
  test(`a page that ${what} as it is about to lead leaves no second stream`, async () => {
    const { world, tabs, pass } = await group(3, TYPES);
    const [leader, next, other] = tabs;
    world.server.publish('a');
    world.stream(1);
    await settled();
    // One of them has heard more than the next leader when that one asks.
    while (world.arrive(other));
    next.inboxes.clear();
    assert.deepEqual([next.last.a.number, other.last.a.number], [undefined, 1]);
    world.kill(leader);
    const { event } = next;
    next.event = (...heard) => {
      next.event = event;
      next.event(...heard);
      act(next);
    };
    await pass();
    assert.equal(next.last.a.number, 1);
    await world.calm();
    assert.equal(world.server.streams.size, 1);
    await world.allClose();
  });
}

test('a type that is wanted while nobody leads is taken by whoever leads next', async () => {
  const { world, tabs, pass } = await group(3, ['a']);
  world.kill(tabs[0]);
  tabs[2].listen('b');
  world.server.publish('b');
  while (world.arrive(tabs[1]));
  await pass();
  await world.calm();
  assert.equal(tabs[2].last.b.number, world.server.counts.b);
  assert.equal(world.server.streams.size, 1);
});

test('a page that is put aside and wants more on its way back misses nothing of that', async () => {
  const { world, tabs, pass } = await group(2, ['a']);
  const [, tab] = tabs;
  tab.member.life('paused');
  tab.paused = true;
  tab.listen('b');
  world.server.publish('b');
  world.server.publish('a');
  world.stream(9);
  await pass();
  tab.wake();
  await world.calm();
  assert.equal(tab.last.b.number, world.server.counts.b);
});

test('who stands among the events of a gap is not taken for one that was told of it', () => {
  const log = new Log({ start: [0, 1], id: 'e-10', entries: [], types: new Map(), state: undefined, gapTo: '', whole: false });
  const words = [
    [['message', 'a', '1'], 'e-20'],
    [['gap', 'e-20', 'e-90', 'lagged'], 'e-20'],
    [['message', 'a', '2'], 'e-80'],
    [['message', 'a', '3'], 'e-91'],
  ];
  const places = () => ['e-10', 'e-50', 'e-80', 'e-85', 'e-90', 'e-91', 'e-92'].map((id) => log.find(id));
  log.append(words.map(([word, id]) => [word, id, 1]));
  assert.deepEqual(places(), [undefined, undefined, undefined, undefined, 3, 4, undefined]);
  assert.deepEqual(new Log(log.excerpt(3)).find('e-85'), undefined, 'nor where the word of the gap is gone');
});
