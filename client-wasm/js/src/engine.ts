/**
 * The seam between the face and what does the work: the WebAssembly client, or, where that cannot be
 * loaded, the pass-through over the browser's own `EventSource`.
 */

import type { GapReason, State, StateDetail } from './events.js';
import type { Life } from './life.js';
import type { CheckedOptions } from './options.js';

/** What the machine counts, in the order in which it tells. See {@link Metrics} for the meaning of each. */
export const COUNTERS = [
  'attempts',
  'opened',
  'losses',
  'silences',
  'polls',
  'heartbeats',
  'duplicates',
  'gaps',
  // What the driver counts, since the machine is ahead of the page.
  'delivered',
  'frames',
  'badFrames',
  'bytesSavedByFrames',
] as const;

/** Takes what the engine has for the page. */
export interface Sink {
  /** An event for the page, and where it came from, should that not be the origin of the stream's address. */
  deliver(type: string, data: string, lastEventId: string, origin?: string): void;
  state(state: State, attempt: number, delay: number, reason: StateDetail['reason'] | undefined): void;
  heartbeat(latency: number): void;
  gap(from: string | undefined, to: string, reason: GapReason): void;
  expiring(expiresIn: number): void;
  error(code: string, message: string): void;
  /**
   * Sends a request. What becomes of it goes to the connection under the number `link`: each piece of a
   * `stream` by `chunk`, and the end of any by `done`. Aborting it is fine at any time.
   */
  send(link: number, url: string, stream: boolean): AbortController;
}

/** One connection. Whatever a {@link Sink} calls from within takes effect at once, but is told of only when that has returned. */
export interface Connection {
  start(): void;
  /** From now on the page wants events of this type. */
  listen(type: string): void;
  setEnabled(enabled: boolean): void;
  /** Something happened to the page. */
  life?(what: Life): void;
  /** Nothing but the state `closed` reaches the sink after this. */
  close(): void;
  /** The next bytes of a stream. Only an engine that has requests sent has this. */
  chunk?(link: number, bytes: Uint8Array): void;
  /**
   * The end of a request: its status, or 0 when nothing came back or an accepted stream has ended; its
   * `Retry-After` in seconds, or NaN; its JSON. Only an engine that has requests sent has this.
   */
  done?(link: number, status: number, retryAfter: number, answer: unknown): void;
  lastEventId(): string;
  /** As many as there are {@link COUNTERS}, or none. */
  counters(): ArrayLike<number>;
  /** Those of them, by name, that are counted otherwise. */
  counts?: Readonly<Partial<Record<(typeof COUNTERS)[number], number>>>;
}

/** Makes connections. `url` is absolute and has its topics. */
export type Engine = (url: string, options: CheckedOptions, sink: Sink) => Connection;
