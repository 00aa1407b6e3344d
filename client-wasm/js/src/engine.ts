/**
 * The seam between the face and what does the work: the WebAssembly client, or, where that cannot be
 * loaded, the pass-through over the browser's own `EventSource`.
 */

import type { GapReason, State, StateDetail } from './events.js';
import type { CheckedOptions } from './options.js';

/** What the machine counts. See {@link Metrics} for the meaning of each. */
export interface Counters {
  attempts: number;
  opened: number;
  losses: number;
  silences: number;
  polls: number;
  heartbeats: number;
  delivered: number;
  duplicates: number;
  gaps: number;
  frames: number;
  badFrames: number;
  bytesSavedByFrames: number;
}

/** Takes what the engine has for the page. */
export interface Sink {
  /** An event as the browser's own `EventSource` made it. */
  forward(event: MessageEvent): void;
  /** An event that came by poll, or out of a frame. */
  deliver(type: string, data: string, lastEventId: string): void;
  state(state: State, attempt: number, delay: number, reason: StateDetail['reason'] | undefined): void;
  heartbeat(latency: number): void;
  gap(from: string | undefined, to: string, reason: GapReason): void;
  error(code: string, message: string): void;
}

/** One connection. Whatever is called from within a {@link Sink} takes effect after it has returned. */
export interface Connection {
  start(): void;
  /** From now on the page wants events of this type. */
  listen(type: string): void;
  setEnabled(enabled: boolean): void;
  /** Nothing but the state `closed` reaches the sink after this. */
  close(): void;
  lastEventId(): string;
  counters(): object;
}

/** Makes connections. `url` is absolute and has its topics. */
export type Engine = (url: string, options: CheckedOptions, sink: Sink) => Connection;
