/**
 * The face of Heartwire: looks like an `EventSource`, and tells more. It owns nothing but what the page
 * can see; the engine behind it decides, opens and closes.
 */
/// <reference lib="esnext.disposable" preserve="true" />

import { connect, type Listener as Hearer } from './connection.js';
import { reader } from './data.js';
import { type Connection, COUNTERS } from './engine.js';
import { type EventStreamEventMap, ExpiringEvent, GapEvent, HeartbeatEvent, PublishedEvent, type State, type StateDetail, StateEvent, StreamErrorEvent } from './events.js';
import { KeptPlace } from './kept-place.js';
import { type Life, watchLife } from './life.js';
import { embeddedModule } from './load.js';
import type { Metrics } from './metrics.js';
import { type CheckedOptions, type EventStreamOptions, check } from './options.js';
import type { DataOf, EventOf, StreamEvent, TypedMessageEvent, TypeOf } from './types.js';
import { iterate, once } from './waiting.js';
import { watch } from './watch.js';

declare const LEAN: boolean;

const CONNECTING = 0;
const OPEN = 1;
const CLOSED = 2;
/** As many events wait for a `for await` loop, unless the page says otherwise. */
const MOST_WAITING = 1_000;

// Of any stream: what its events are is told by `E`.
type Handler<E extends Event> = ((this: EventStream<any>, event: E) => unknown) | null;
type Listener<E extends Event> = ((this: EventStream<any>, event: E) => unknown) | { handleEvent(event: E): unknown };

/**
 * A stream of Server-Sent Events that is kept open: every event once and in order, or a {@link GapEvent}
 * that tells what is missing.
 *
 * It can stand wherever an `EventSource` stands. The differences: the reconnecting is its own, `error`
 * events say what happened ({@link StreamErrorEvent.code}), and there are `state`, `heartbeat`, `gap`
 * and `expiring` events. It works at once; the WebAssembly behind it is loaded with the first stream. Where it cannot
 * be loaded, the browser's own `EventSource` does the work, with a warning in the console.
 *
 * Only events whose type has a listener are taken from the stream, as with `EventSource`. An event that
 * the server publishes under the type `open`, `error` or `state` reaches the listeners of that type as
 * a `MessageEvent`. Publishing under `connected`, `heartbeat`, `gap`, `expiring` and `closing` is refused by the server.
 *
 * Like an `EventSource`, a stream lives until it is closed, even when nothing refers to it.
 *
 * @typeParam Events - The events that the server publishes: the type of the data of each, by event type. When they
 * are named, a listener for any other is a type error. Data are text unless {@link EventStreamOptions.parse} makes
 * something else of them. Default: any type, and text.
 *
 * @example
 * ```ts
 * const stream = new EventStream<{ progress: Progress; done: null }>('/events', { topics: 'job-7', parse: 'json' });
 * stream.addEventListener('progress', ({ data }) => draw(data.percent));
 * stream.addEventListener('gap', () => reload());
 * stream.onstate = ({ state, reason }) => show(state, reason);
 * ```
 */
export class EventStream<Events extends object = Record<string, string>> extends EventTarget {
  /** {@link readyState} before the first event, and while it waits for the next try. */
  static readonly CONNECTING = CONNECTING;
  /** {@link readyState} while events come, by stream or by polling. */
  static readonly OPEN = OPEN;
  /** {@link readyState} when nothing more comes. */
  static readonly CLOSED = CLOSED;
  /** {@link readyState} before the first event, and while it waits for the next try. */
  readonly CONNECTING = CONNECTING;
  /** {@link readyState} while events come, by stream or by polling. */
  readonly OPEN = OPEN;
  /** {@link readyState} when nothing more comes. */
  readonly CLOSED = CLOSED;

  /** The address, made absolute, with its topics. */
  readonly url: string;
  /** Whether cookies go to another origin. */
  readonly withCredentials: boolean;

  readonly #options: CheckedOptions;
  readonly #origin: string;
  readonly #types: Set<string>;
  readonly #read: ReturnType<typeof reader>;
  readonly #handlers = new Map<string, Handler<never>>();
  /** `undefined` until the engine is loaded: what is asked of it before is remembered here. */
  #connection: Connection | undefined;
  #state: State = 'connecting';
  #reason: StateDetail['reason'] = null;
  /** Set at once by `close()`, though the engine may only hear of it when the listener at work has returned. */
  #closed = false;
  #enabled: boolean;
  #payloadLength = 0;
  #bytes = 0;
  #latency: number | null = null;
  /** When anything last came from the server, as `performance.now()` has it. */
  #heard: number | null = null;
  /** Where `persist` keeps the resume point. */
  readonly #kept: KeptPlace | undefined;
  /** Aborted when the life of the page is nothing to the stream any more. */
  readonly #life = new AbortController();

  /**
   * Opens a stream.
   *
   * @param url - The address of the stream, relative to the page or worker.
   * @param options - See {@link EventStreamOptions}.
   * @throws {TypeError} An option has the wrong type, is out of range, or is unknown. The message names it.
   * @throws {DOMException} A `SyntaxError`: the address cannot be made out.
   */
  constructor(url: string | URL, options?: EventStreamOptions<Events>) {
    super();
    const checked = check(options);
    const { types, signal, enabled = true, withCredentials = false } = checked;
    const address = resolve(url, checked);
    this.url = address.href;
    this.withCredentials = withCredentials;
    this.#origin = address.origin;
    this.#options = checked;
    this.#types = new Set(types);
    this.#read = reader(checked);
    this.#enabled = enabled;
    watch(checked, (type, listener) => super.addEventListener(type, listener), this.url, () => this.metrics());

    if (signal?.aborted) {
      this.#closed = true;
      this.#state = 'closed';
      return;
    }
    signal?.addEventListener('abort', this.#abort);
    this.#kept = checked.persist && new KeptPlace(this.url);
    void this.#connect();
  }

  /** As with an `EventSource`: {@link CONNECTING}, {@link OPEN} or {@link CLOSED}. {@link state} tells more. */
  get readyState(): 0 | 1 | 2 {
    const { state } = this;
    return state === 'closed' ? CLOSED : state === 'open' || state === 'polling' ? OPEN : CONNECTING;
  }

  /** The state of the link. Each change is a `state` event. */
  get state(): State {
    return this.#closed ? 'closed' : this.#state;
  }

  /** The resume point: where a new stream would go on. Empty when there is none yet. Opaque text. */
  get lastEventId(): string {
    return this.#connection?.lastEventId() ?? (this.#options.lastEventId || this.#kept?.id || '');
  }

  /**
   * The page's half of the one switch. `false` closes the stream and goes on by polling, without
   * losing or repeating anything; `true` climbs back.
   */
  get enabled(): boolean {
    return this.#enabled;
  }

  /** Throws the switch. */
  set enabled(enabled: boolean) {
    this.#enabled = Boolean(enabled);
    this.#connection?.setEnabled(this.#enabled);
  }

  /** What has happened so far. A fresh object with each call. */
  metrics(): Metrics {
    const { state } = this;
    const counts = this.#connection?.counters() ?? [];
    const counters = Object.fromEntries(COUNTERS.map((name, i) => [name, counts[i] ?? 0])) as Record<(typeof COUNTERS)[number], number>;
    return {
      ...counters,
      ...this.#connection?.counts,
      state,
      transport: state === 'open' ? (this.#options.fetch ? 'fetch' : 'eventsource') : state === 'polling' ? state : 'none',
      reconnects: Math.max(0, counters.opened - 1),
      silence: this.#heard === null ? null : performance.now() - this.#heard,
      bytes: this.#bytes,
      payloadLength: this.#payloadLength,
      lastHeartbeatLatency: this.#latency,
    };
  }

  /** Closes the stream for good. The second time does nothing. */
  close(): void {
    if (this.#closed) {
      return;
    }
    this.#closed = true;
    this.#end();
    if (this.#connection) {
      this.#connection.close();
    } else {
      this.#changed({ state: 'closed', attempt: 0, delay: 0, reason: 'by-page' }, null);
    }
  }

  /**
   * The next event of a type. For one after the other take the loop: events that come together are given before a
   * promise goes on.
   *
   * @param type - As for {@link addEventListener}.
   * @param options - `signal` ends the waiting when it is aborted.
   * @returns Rejects with a {@link StreamClosedError} when the stream is closed before that, or is already; with
   * the reason of the `signal` when that is aborted.
   */
  once<Type extends keyof EventStreamEventMap | TypeOf<Events> | 'message'>(
    type: Type,
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<EventOf<Events, Type>> {
    return once(this, type, options?.signal) as Promise<EventOf<Events, Type>>;
  }

  /**
   * The events of {@link EventStreamOptions.types} and the gaps between them, in order, from the first step of the
   * loop on. Leaving the loop leaves the stream open.
   *
   * When the loop does not keep up, at most {@link EventStreamOptions.maxWaitingEvents} wait: then the oldest
   * are dropped, and a `GapEvent` with the reason `lagged` stands in their place. The loop ends when the stream is
   * closed, after what was waiting.
   *
   * @throws {StreamClosedError} The stream gave up, or needs the WebAssembly and cannot have it.
   */
  [Symbol.asyncIterator](): AsyncGenerator<StreamEvent<Events>, void, void> {
    const { types, maxWaitingEvents = MOST_WAITING } = this.#options;
    const taken = types.length ? types : ['message'];
    return iterate(this, taken, maxWaitingEvents, () => this.#reason) as AsyncGenerator<StreamEvent<Events>, void, void>;
  }

  /** Adds a listener, and asks for events of that type from now on. The same as for any `EventTarget`. */
  override addEventListener<Type extends keyof EventStreamEventMap>(
    type: Type,
    listener: Listener<EventOf<Events, Type>> | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  override addEventListener<Type extends TypeOf<Events>>(
    type: Type,
    listener: Listener<EventOf<Events, Type>> | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  override addEventListener(
    type: 'message',
    listener: Listener<EventOf<Events, 'message'>> | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  override addEventListener(
    type: string,
    listener: Listener<never> | null,
    options?: boolean | AddEventListenerOptions,
  ): void {
    super.addEventListener(type, listener as EventListener | null, options);
    // The engine is told of a type once. It keeps listening when the last listener is removed: that
    // costs little, and the resume point goes on moving.
    if (listener && !this.#types.has(type)) {
      this.#types.add(type);
      this.#connection?.listen(type);
    }
  }

  /** Removes a listener. The same as for any `EventTarget`. */
  override removeEventListener<Type extends keyof EventStreamEventMap>(
    type: Type,
    listener: Listener<EventOf<Events, Type>> | null,
    options?: boolean | EventListenerOptions,
  ): void;
  override removeEventListener<Type extends TypeOf<Events>>(
    type: Type,
    listener: Listener<EventOf<Events, Type>> | null,
    options?: boolean | EventListenerOptions,
  ): void;
  override removeEventListener(
    type: 'message',
    listener: Listener<EventOf<Events, 'message'>> | null,
    options?: boolean | EventListenerOptions,
  ): void;
  override removeEventListener(
    type: string,
    listener: Listener<never> | null,
    options?: boolean | EventListenerOptions,
  ): void {
    super.removeEventListener(type, listener as EventListener | null, options);
  }

  /** Events come, by stream or by polling. */
  get onopen(): Handler<Event> {
    return this.#handler('open');
  }
  /** As the handler that is read here; anything but a function takes it away. */
  set onopen(handler: Handler<Event>) {
    this.#handle('open', handler);
  }

  /** An event without a type of its own. */
  get onmessage(): Handler<TypedMessageEvent<'message', DataOf<Events, 'message'>>> {
    return this.#handler('message');
  }
  /** As the handler that is read here; anything but a function takes it away. */
  set onmessage(handler: Handler<TypedMessageEvent<'message', DataOf<Events, 'message'>>>) {
    this.#handle('message', handler);
  }

  /** Something went wrong; `readyState` tells whether the stream goes on. */
  get onerror(): Handler<StreamErrorEvent> {
    return this.#handler('error');
  }
  /** As the handler that is read here; anything but a function takes it away. */
  set onerror(handler: Handler<StreamErrorEvent>) {
    this.#handle('error', handler);
  }

  /** The link is in another state. */
  get onstate(): Handler<StateEvent> {
    return this.#handler('state');
  }
  /** As the handler that is read here; anything but a function takes it away. */
  set onstate(handler: Handler<StateEvent>) {
    this.#handle('state', handler);
  }

  /** Events are gone for this reader. */
  get ongap(): Handler<GapEvent> {
    return this.#handler('gap');
  }
  /** As the handler that is read here; anything but a function takes it away. */
  set ongap(handler: Handler<GapEvent>) {
    this.#handle('gap', handler);
  }

  /** The token that the stream was opened with expires soon. */
  get onexpiring(): Handler<ExpiringEvent> {
    return this.#handler('expiring');
  }
  /** As the handler that is read here; anything but a function takes it away. */
  set onexpiring(handler: Handler<ExpiringEvent>) {
    this.#handle('expiring', handler);
  }

  /** A heartbeat came. */
  get onheartbeat(): Handler<HeartbeatEvent> {
    return this.#handler('heartbeat');
  }
  /** As the handler that is read here; anything but a function takes it away. */
  set onheartbeat(handler: Handler<HeartbeatEvent>) {
    this.#handle('heartbeat', handler);
  }

  /** Closes the stream at the end of a `using` block. */
  declare [Symbol.dispose]: () => void;

  static {
    // Not all hosts have the symbol yet; those that lack it have no `using` either.
    if (Symbol.dispose) {
      this.prototype[Symbol.dispose] = this.prototype.close;
    }
  }

  #handler<E extends Event>(type: string): Handler<E> {
    return (this.#handlers.get(type) as Handler<E> | undefined) ?? null;
  }

  #handle(type: keyof EventStreamEventMap | 'message', handler: Handler<never>): void {
    // [spec] "Event handlers": one that takes the place of another is called at that one's turn; one that comes after
    // none is called last.
    if (typeof handler === 'function') {
      this.#handlers.set(type, handler);
      this.addEventListener(type as 'open', this.#callHandler);
    } else {
      this.#handlers.delete(type);
      this.removeEventListener(type as 'open', this.#callHandler);
    }
  }

  async #connect(): Promise<void> {
    // Most pages do without: who shares loads what that takes. Where it is missing, each tab has a stream of its own.
    const make =
      !LEAN && this.#options.shared
        ? await import('./shared/share.js').then(({ share }) => share(connect, embeddedModule, this.url, this.#options)).catch(() => connect)
        : connect;
    if (this.#closed) {
      return;
    }
    const options = { ...this.#options, enabled: this.#enabled, lastEventId: this.lastEventId || null };
    const connection = make(this.url, options, this.#hearer());
    this.#connection = connection;
    for (const type of this.#types) {
      connection.listen(type);
    }
    watchLife(this.url, (what) => this.#lives(what), this.#life.signal);
    connection.start();
  }

  #lives(what: Life): void {
    if (what === 'paused' || what === 'hidden') {
      this.#kept?.keep(this.lastEventId);
    }
    this.#connection?.life?.(what);
  }

  #hearer(): Hearer {
    return {
      bytes: (n) => {
        this.#alive();
        this.#bytes += n;
      },
      deliver: (type, data, lastEventId, origin = this.#origin) => {
        this.#alive();
        this.#message(type, data, lastEventId, origin);
      },
      state: (state, attempt, delay, reason, status, message) => this.#changed({ state, attempt, delay, reason: reason ?? null }, status, message),
      heartbeat: (latency) => {
        this.#alive();
        this.#latency = latency;
        this.dispatchEvent(new HeartbeatEvent(latency));
      },
      gap: (from, to, reason) => this.dispatchEvent(new GapEvent(from ?? null, to, reason)),
      expiring: (expiresIn) => this.dispatchEvent(new ExpiringEvent(expiresIn)),
      error: (code, message, status) => this.dispatchEvent(new StreamErrorEvent(code, message, status)),
    };
  }

  /** Something came from the server. */
  #alive(): void {
    this.#heard = performance.now();
  }

  #message(type: string, text: string, lastEventId: string, origin: string): void {
    this.#payloadLength += text.length;
    let event: Event;
    try {
      event = new PublishedEvent(type, this.#read ? this.#read(text, type) : text, lastEventId, origin);
    } catch (error) {
      event = error as StreamErrorEvent;
    }
    // What looks at the data is the page's own, and may close the stream.
    if (!this.#closed) {
      this.dispatchEvent(event);
    }
  }

  #changed(detail: StateDetail, status: number | null, message = ''): void {
    const { state, reason } = detail;
    const before = this.readyState;
    this.#reason = reason;
    this.#state = state;
    if (state === 'open') {
      this.#alive();
    }
    if (state === 'closed' && reason !== 'switched-off') {
      this.#end();
    }
    this.dispatchEvent(new StateEvent(detail));
    if (this.#closed) {
      return;
    }
    // An EventSource tells each loss and its own giving up as an `error`; so do we, with the reason.
    if (reason === 'no-webassembly') {
      this.dispatchEvent(new StreamErrorEvent(reason, 'the WebAssembly cannot be loaded, and only with it can streams go by fetch'));
    } else if (reason && (state === 'waiting' || reason === 'gave-up' || reason === 'stopped')) {
      this.dispatchEvent(new StreamErrorEvent(reason, message, status));
    } else if (before !== OPEN && this.readyState === OPEN) {
      this.dispatchEvent(new Event('open'));
    }
  }

  /** Lets go of all that the stream has to do with. Once, since another one may have its place by then. */
  #end(): void {
    if (!this.#life.signal.aborted) {
      this.#life.abort();
      this.#options.signal?.removeEventListener('abort', this.#abort);
      this.#kept?.keep(this.lastEventId);
      this.#kept?.leave();
    }
  }

  readonly #abort = (): void => this.close();
  readonly #callHandler = (event: Event): unknown => this.#handler(event.type)?.call(this, event);
}

/** [spec] The EventSource constructor: relative to the document or worker, and a `SyntaxError` when that fails. */
function resolve(url: string | URL, { topics, clientId }: CheckedOptions): URL {
  const page = globalThis.document?.baseURI ?? globalThis.location?.href;
  let address: URL;
  try {
    address = new URL(url, page);
  } catch {
    throw new DOMException(`heartwire: "${url}" is not ${page ? 'an address' : 'a whole address, and here is no page to take the rest from'}`, 'SyntaxError');
  }
  address.hash = '';
  for (const topic of topics) {
    address.searchParams.append('topic', topic);
  }
  if (clientId) {
    address.searchParams.set('client_id', clientId);
  }
  return address;
}
