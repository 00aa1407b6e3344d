// A host for the built package in Node: an EventSource and a fetch that do what a test tells them.
import { readFile } from 'node:fs/promises';

export const wasm = await readFile(new URL('../dist/heartwire.wasm', import.meta.url));

/** [spec] An EventSource without a network: dispatches nothing once closed, and repeats the last id where there is none. */
export class FakeEventSource extends EventTarget {
  static CONNECTING = 0;
  static OPEN = 1;
  static CLOSED = 2;
  /** All that were made, oldest first. */
  static made = [];
  /** Called with each new one. */
  static onmade = () => {};

  readyState = 0;
  #lastEventId = '';

  constructor(url, init) {
    super();
    this.url = new URL(url);
    this.withCredentials = init?.withCredentials ?? false;
    FakeEventSource.made.push(this);
    queueMicrotask(() => FakeEventSource.onmade(this));
  }

  close() {
    this.readyState = 2;
  }

  /** The server accepts. */
  open() {
    this.readyState = 1;
    this.#dispatch(new Event('open'));
  }

  /** The server sends an event; control data are given as objects. */
  send(type, data, id) {
    this.#lastEventId = id ?? this.#lastEventId;
    const text = typeof data === 'string' ? data : JSON.stringify(data);
    this.#dispatch(new MessageEvent(type, { data: text, lastEventId: this.#lastEventId, origin: this.url.origin }));
  }

  /** The server accepts and greets. */
  greet(id = 'a-0', more = {}) {
    this.open();
    this.send('connected', { protocol: 1, heartbeat_interval_ms: 30_000, resumed: false, time_ms: 1, ...more }, id);
  }

  /** The link is cut. */
  cut() {
    this.readyState = 0;
    this.#dispatch(new Event('error'));
  }

  #dispatch(event) {
    if (this.readyState !== 2) {
      this.dispatchEvent(event);
    }
  }
}

/** Puts the fakes in place, and forgets what they were told before. */
export function reset() {
  FakeEventSource.made = [];
  FakeEventSource.onmade = () => {};
  globalThis.EventSource = FakeEventSource;
  answer(() => new Promise(() => {}));
}

/** From now on requests are answered by `respond(url)`; what it throws is a network that failed. */
export function answer(respond) {
  globalThis.fetch = async (url, { signal } = {}) => {
    const abandoned = new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)));
    abandoned.catch(() => {});
    return Promise.race([respond(new URL(url), signal), abandoned]);
  };
}

/** A JSON answer. */
export const json = (body, init) => new Response(JSON.stringify(body), init);

/** The next event of this type, if `fits` says that it is the one. */
export const next = (target, type, fits = () => true) =>
  new Promise((resolve) => {
    target.addEventListener(type, function listener(event) {
      if (fits(event)) {
        target.removeEventListener(type, listener);
        resolve(event);
      }
    });
  });

/** The stream's next change to this state. */
export const state = (stream, name) => next(stream, 'state', (event) => event.state === name);

/** The next EventSource that is made. */
export const made = () =>
  new Promise((resolve) => {
    FakeEventSource.onmade = resolve;
  });
