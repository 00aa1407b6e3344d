/**
 * Server-Sent Events that do not lie: every event once and in order, or a plain word about which part
 * is missing; dead links noticed in seconds; polling where streams are blocked.
 *
 * Nothing happens at import, so this can be imported on a server too.
 *
 * @packageDocumentation
 */

import { loadModule, type WasmSource } from './load.js';

export { EventStream } from './event-stream.js';
export {
  type ClosedReason,
  type EventStreamEventMap,
  ExpiringEvent,
  GapEvent,
  type GapReason,
  HeartbeatEvent,
  type LossReason,
  type PollReason,
  type State,
  type StateDetail,
  StateEvent,
  type StreamErrorCode,
  StreamErrorEvent,
} from './events.js';
export type { Metrics } from './metrics.js';
export type { EventStreamOptions } from './options.js';
export type { DataOf, EventOf, InvalidResult, SchemaResult, SchemaTypes, StandardSchema, StandardSchemaProps, StreamEvent, TypedMessageEvent, TypeOf, ValidResult, Validator } from './types.js';
export { StreamClosedError } from './waiting.js';
export type { WasmSource };

declare const VERSION: string;

/** The version of this package. */
export const version: string = VERSION;

/**
 * Loads the WebAssembly ahead of the first stream. Optional: the first `new EventStream` does it.
 *
 * @param source - Where it comes from, such as the `heartwire.wasm` of this package. Ignored when it is loaded
 * already. Default: out of the script itself.
 * @returns Resolves when it is ready.
 * @throws Whatever the loading failed with. Streams work all the same, over the browser's own `EventSource`.
 */
export async function init(source?: WasmSource): Promise<void> {
  await loadModule(source);
}
