/** What a stream counts, for whoever looks after it. */

import type { State } from './events.js';

/** What has happened on a stream so far. Counters only grow. */
export interface Metrics {
  /** The state of the link. */
  readonly state: State;
  /** What brings events at the moment: the browser's own `EventSource`, `fetch`, polls, or nothing. */
  readonly transport: 'eventsource' | 'fetch' | 'polling' | 'none';
  /** Streams that were tried, successful or not. */
  readonly attempts: number;
  /** Streams that came to life. */
  readonly opened: number;
  /** Streams that came to life after the first one. */
  readonly reconnects: number;
  /** Streams that were lost or refused, for whatever reason. */
  readonly losses: number;
  /** Losses by silence alone. */
  readonly silences: number;
  /** Polls that were answered. */
  readonly polls: number;
  /** How long nothing was heard from the server, in milliseconds; `null` before the first sign of life. */
  readonly silence: number | null;
  /** Heartbeats heard. */
  readonly heartbeats: number;
  /** Events given to the page. */
  readonly delivered: number;
  /** Events dropped since the page had had them. */
  readonly duplicates: number;
  /** Gaps told to the page. */
  readonly gaps: number;
  /** Compressed events that were opened. */
  readonly frames: number;
  /** Compressed events that could not be opened. */
  readonly badFrames: number;
  /** How many bytes fewer the opened frames were on the wire than their payloads. */
  readonly bytesSavedByFrames: number;
  /**
   * The bytes of streams over fetch, as they are without their content encoding. An `EventSource` does not tell,
   * and neither do polls: they leave it as it is.
   */
  readonly bytes: number;
  /** The length of all payloads given to the page, in UTF-16 units, as `data.length` counts. */
  readonly payloadLength: number;
  /** The latency of the last heartbeat in milliseconds; `null` before the first. */
  readonly lastHeartbeatLatency: number | null;
}
