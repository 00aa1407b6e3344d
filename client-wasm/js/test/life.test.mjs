// What a page reports of its life, the clock that counts its sleep, and the place that it keeps over a reload.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { source } from './source.mjs';

const { watchLife } = await source('life.ts');
const { Clock } = await source('clock.ts');
const { KeptPlace } = await source('kept-place.ts');

const globals = ['document', 'navigator', 'addEventListener', 'removeEventListener', 'performance', 'sessionStorage'].map((name) => [
  name,
  Object.getOwnPropertyDescriptor(globalThis, name),
]);
const replace = (name, value) => Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
const dateNow = Date.now;

afterEach(() => {
  for (const [name, descriptor] of globals) {
    delete globalThis[name];
    if (descriptor) {
      Object.defineProperty(globalThis, name, descriptor);
    }
  }
  Date.now = dateNow;
});

/** A page, as far as it reports its life. */
function page({ visibilityState = 'visible', onLine = true } = {}) {
  const window = new EventTarget();
  const document = Object.assign(new EventTarget(), { visibilityState });
  replace('addEventListener', window.addEventListener.bind(window));
  replace('removeEventListener', window.removeEventListener.bind(window));
  replace('document', document);
  replace('navigator', { onLine });
  const happens = (target, type, more) => target.dispatchEvent(Object.assign(new Event(type), more));
  return { document, onDocument: happens.bind(null, document), onWindow: happens.bind(null, window) };
}

test('what happens to a page is reported until nobody wants to know', () => {
  const { document, onDocument, onWindow } = page();
  const said = [];
  const watching = new AbortController();
  watchLife('http://hub.test/events', (what) => said.push(what), watching.signal);
  assert.deepEqual(said, [], 'all is as usual');
  onWindow('offline');
  onWindow('online');
  document.visibilityState = 'hidden';
  onDocument('visibilitychange');
  onDocument('freeze');
  onDocument('resume');
  document.visibilityState = 'visible';
  onDocument('visibilitychange');
  onWindow('pagehide', { persisted: true });
  onWindow('pageshow', { persisted: true });
  onWindow('pageshow', { persisted: false });
  assert.deepEqual(said, ['offline', 'online', 'hidden', 'paused', 'woke', 'shown', 'paused', 'woke']);
  watching.abort();
  onWindow('offline');
  assert.equal(said.length, 8);
});

test('what is not as usual is reported at once', () => {
  page({ visibilityState: 'hidden', onLine: false });
  const said = [];
  watchLife('https://hub.test/events', (what) => said.push(what), new AbortController().signal);
  assert.deepEqual(said, ['offline', 'hidden']);
});

test('this machine can be reached without a network', () => {
  for (const host of ['localhost', 'app.localhost', '127.0.0.1', '127.1.2.3', '[::1]']) {
    const { onWindow } = page({ onLine: false });
    watchLife(`http://${host}:8080/events`, assert.fail, new AbortController().signal);
    onWindow('offline');
    onWindow('online');
  }
});

test('a host without such events has nothing to report', () => {
  delete globalThis.navigator;
  watchLife('http://hub.test/events', assert.fail, new AbortController().signal);
});

test('the clock counts the time that the machine slept, and no other', () => {
  let monotonic = 1_000;
  let wall = 1_790_000_000_000;
  replace('performance', { now: () => monotonic });
  Date.now = () => wall;
  const clock = new Clock();
  const after = (ms, wallMs = ms) => {
    monotonic += ms;
    wall += wallMs;
    return clock.read();
  };
  assert.equal(clock.read(), false);
  assert.equal(clock.now, 1_000);
  assert.equal(after(500), false);
  assert.equal(clock.now, 1_500);
  assert.equal(after(100, 3_600_100), true, 'an hour of sleep');
  assert.equal(clock.now, 3_601_600);
  assert.equal(after(100), false, 'is told once');
  assert.equal(after(100, -3_600_000), false, 'a clock that is set back');
  assert.equal(clock.now, 3_601_800, 'changes nothing');
  assert.equal(after(100, 1_900), false, 'nor does one that is set by a little');
  assert.equal(after(100, NaN), false);
  assert.equal(after(100, 100), false);
  assert.equal(clock.now, 3_602_100);
});

/** A `sessionStorage`. */
const storage = (kept = {}) => ({ kept, getItem: (key) => kept[key] ?? null, setItem: (key, value) => (kept[key] = value) });

test('a place is kept for the next page with the same address', () => {
  const { kept } = storage();
  replace('sessionStorage', storage(kept));
  const url = 'http://hub.test/events?topic=a';
  const one = new KeptPlace(url);
  const two = new KeptPlace(url);
  assert.deepEqual([one.id, two.id], ['', '']);
  one.keep('a-1');
  two.keep('a-2');
  one.leave();
  two.leave();
  const again = [new KeptPlace(url), new KeptPlace(url), new KeptPlace(`${url}&topic=b`)];
  assert.deepEqual(again.map(({ id }) => id), ['a-1', 'a-2', ''], 'each of two has its own');
  again.forEach((place) => place.leave());
});

test('rubbish in the storage is nothing to begin after', () => {
  const url = 'http://hub.test/events';
  const key = `heartwire ${url}`;
  for (const rubbish of ['', 'a-1', 'null', '1 ', '2 a-1', '1 a\n-1', '1 a\0', `1 ${'a'.repeat(1_025)}`]) {
    replace('sessionStorage', storage({ [key]: rubbish }));
    const place = new KeptPlace(url);
    assert.equal(place.id, '', JSON.stringify(rubbish));
    place.leave();
  }
  replace('sessionStorage', storage());
  const place = new KeptPlace(url);
  place.keep('a\n1');
  place.keep('');
  assert.deepEqual(sessionStorage.kept, {}, 'nor is it kept');
  place.leave();
});

test('a storage that may not be used, or is full, is as good as none', () => {
  const refuse = () => {
    throw new DOMException('-', 'SecurityError');
  };
  Object.defineProperty(globalThis, 'sessionStorage', { get: refuse, configurable: true });
  const place = new KeptPlace('http://hub.test/events');
  assert.equal(place.id, '');
  place.keep('a-1');
  place.leave();
});
