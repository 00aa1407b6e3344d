// Many streams of one group, against a world made of dice: tabs that come, close, crash, hang, are put aside and wake,
// and a channel that is as slow as it likes. Every page gets every event once and in order.
import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { source } from './source.mjs';

const { Member } = await source('shared/member.ts');

const TYPES = ['a', 'b', 'c'];

/** mulberry32: the same seed tells the same story. */
function dice(seed) {
  const random = () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return { below: (n) => Math.floor(random() * n), pick: (list) => list[Math.floor(random() * list.length)] };
}

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
    // Ids that say nothing of their order are as good.
    this.id = ordered ? (n) => `e-${n}` : (n) => `x${(n * 7919) % 100_003}y${n}`;
  }

  publish(type) {
    this.counts[type] += 1;
    this.log.push({ type, data: String(this.counts[type]), id: this.id(this.log.length + 1) });
  }

  /** What the engine would be: a connection that resumes, and is told of gaps. */
  connect(tab, options, sink) {
    const types = new Set();
    let position;
    let id = options.lastEventId ?? '';
    const stream = {
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
        for (; n > 0 && position < this.log.length && this.streams.has(stream); n -= 1) {
          const event = this.log[position++];
          if (types.has(event.type)) {
            id = event.id;
            sink.deliver(event.type, event.data, event.id);
          }
        }
        if (n > 0 && this.streams.has(stream)) {
          id = this.id(position);
          sink.heartbeat(0);
        }
      },
      cut: () => {
        position = undefined;
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

/** A page that checks the promise as it reads. */
class Tab {
  alive = true;
  hung = false;
  paused = false;
  opened = false;
  enabled = true;
  types = new Set();
  last = {};
  inboxes = new Map();
  timers = [];
  late = [];

  constructor(world, options) {
    this.world = world;
    const tab = this;
    this.channels = new Set();
    const host = {
      navigator: { locks: world.locks.of(this) },
      BroadcastChannel: class {
        constructor() {
          tab.channels.add(this);
        }
        postMessage(message) {
          world.post(tab, structuredClone(message));
        }
        close() {
          tab.channels.delete(this);
        }
      },
      setTimeout: (act, ms) => this.timers.push({ at: world.now + ms, act }),
      setInterval: (act, ms) => this.timers.push({ at: world.now + ms, act, ms }) && act,
      clearInterval: (act) => (this.timers = this.timers.filter((timer) => timer.act !== act)),
    };
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
      gap: () => (this.last = Object.fromEntries([...this.types].map((type) => [type, {}]))),
      error: () => {},
    };
    this.member = new Member('group', options, page, (options, sink) => world.server.connect(this, options, sink), host);
    for (const type of world.some(TYPES)) {
      this.listen(type);
    }
    this.member.start();
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
    assert.ok(this.types.has(type), 'only what it listens for');
    const { number: last, atMost } = this.last[type] ?? {};
    if (last !== undefined) {
      assert.equal(number, last + 1, `once and in order: ${type}`);
    } else if (atMost !== undefined) {
      assert.ok(number <= atMost + 1, `${type} ${number} where it was open from ${atMost} on`);
    }
    this.last[type] = { number };
    // A listener may do what it likes.
    if (this.world.dice.below(100) === 0) {
      this.listen(this.world.dice.pick(TYPES));
    }
  }

  /** Runs something in this tab, or when it has come to itself again. */
  run(act) {
    if (this.hung) {
      return new Promise((resolve) => this.late.push(() => resolve(this.alive ? act() : undefined)));
    }
    return act();
  }
}

class World {
  now = 0;
  tabs = [];
  locks = new Locks();

  constructor(seed) {
    this.dice = dice(seed);
    this.server = new Server(this.dice.pick([15, 10_000]), this.dice.below(2) === 0);
  }

  some(list) {
    const chosen = list.filter(() => this.dice.below(2));
    return chosen.length ? chosen : [list[0]];
  }

  get live() {
    return this.tabs.filter((tab) => tab.alive);
  }

  post(from, message) {
    for (const tab of this.live) {
      if (tab !== from && tab.channels.size) {
        const inbox = tab.inboxes.get(from) ?? [];
        tab.inboxes.set(from, inbox);
        inbox.push(message);
      }
    }
  }

  /** One message of some sender arrives. */
  arrive(tab) {
    const inboxes = [...tab.inboxes.values()].filter((inbox) => inbox.length);
    if (!tab.hung && inboxes.length) {
      const data = this.dice.pick(inboxes).shift();
      for (const channel of tab.channels) {
        channel.onmessage({ data });
      }
    }
    return inboxes.length > 0;
  }

  open() {
    if (this.live.length < 6) {
      const options = this.dice.pick([{}, {}, {}, { from: 'earliest' }, { lastEventId: this.dice.pick(this.server.log)?.id ?? null }]);
      this.tabs.push(new Tab(this, options));
    }
  }

  kill(tab) {
    tab.alive = false;
    tab.channels.clear();
    this.locks.forget(tab);
    this.server.streams.forEach((stream) => stream.tab === tab && this.server.streams.delete(stream));
  }

  pass(ms) {
    this.now += ms;
    for (const tab of this.live.filter(({ hung }) => !hung)) {
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

  wake(tab) {
    tab.hung = false;
    tab.late.splice(0).forEach((act) => act());
    if (tab.paused) {
      tab.paused = false;
      tab.inboxes.clear();
      tab.member.life('woke');
    }
  }

  step() {
    const { dice } = this;
    const tab = dice.pick(this.live);
    const awake = tab && !tab.hung && !tab.paused;
    const kind = dice.below(100);
    if (kind < 20) {
      for (let n = dice.below(4); n >= 0; n -= 1) {
        this.server.publish(dice.pick(TYPES));
      }
    } else if (kind < 45) {
      this.stream(dice.below(4));
    } else if (kind < 70) {
      tab && this.arrive(tab);
    } else if (kind < 76) {
      this.locks.step();
    } else if (kind < 84) {
      this.pass(dice.below(600));
    } else if (kind < 88) {
      this.open();
    } else if (kind < 90) {
      tab && this.kill(tab);
    } else if (kind < 92) {
      if (awake) {
        tab.member.life('paused');
        tab.paused = true;
      }
    } else if (kind < 94) {
      if (tab) {
        tab.hung = true;
      }
    } else if (kind < 97) {
      tab && this.wake(tab);
    } else if (kind < 98) {
      if (awake) {
        tab.listen(dice.pick(TYPES));
      }
    } else if (kind < 99 && awake && dice.below(2)) {
      tab.enabled = !tab.enabled;
      tab.member.setEnabled(tab.enabled);
    } else if (kind < 99) {
      dice.pick([...this.server.streams])?.cut();
    } else if (awake) {
      tab.member.close();
      tab.alive = false;
    }
  }

  /** All is well again: whoever waits gets what it waits for. */
  async calm() {
    this.live.forEach((tab) => {
      this.wake(tab);
      tab.member.setEnabled(true);
    });
    for (let round = 0; round < 60; round += 1) {
      this.locks.step();
      for (let more = true; more; ) {
        more = this.live.map((tab) => this.arrive(tab)).some(Boolean);
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
      while (this.live.map((tab) => this.arrive(tab)).some(Boolean));
      await settled();
    }
  }
}

test('every page gets every event once and in order, whoever leads', async () => {
  const first = Number(process.env.SEED ?? 0);
  for (let seed = first; seed < first + Number(process.env.SEEDS ?? 100); seed += 1) {
    const world = new World(seed);
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
          const { number, atMost } = tab.last[type] ?? {};
          assert.equal(number ?? atMost ?? world.server.counts[type], world.server.counts[type], `a page has all of ${type} in the end`);
        }
      }
      assert.equal(world.server.streams.size, Math.min(1, world.live.length), 'one stream for all of them in the end');
    } catch (failure) {
      failure.message += ` (seed ${seed})`;
      throw failure;
    } finally {
      mock.restoreAll();
    }
  }
});
