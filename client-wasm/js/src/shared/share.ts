/** Which streams share one connection, and whether they can here. */

import type { connect as Connect, Listener } from '../connection.js';
import type { Connection } from '../engine.js';
import type { CheckedOptions } from '../options.js';
import { Member } from './member.js';

declare const VERSION: string;

/** The options that a server or a connection could notice. Streams that differ in one of them are not the same stream. */
const DISTINGUISHING = [
  'identity',
  'polling',
  'withCredentials',
  'fetch',
  'lastEventIdHeader',
  'compression',
  'heartbeatTimeout',
  'connectTimeout',
  'baseReconnectDelay',
  'maxReconnectDelay',
  'maxReconnectAttempts',
  'healthyAfter',
  'pollInterval',
  'pollWait',
  'probeInterval',
  'maxFrameBytes',
] as const satisfies readonly (keyof CheckedOptions)[];

/** A connection that all streams of this browser with the same address, options and identity have between them, or one of its own where that cannot be. */
// `connect` is handed in, since this is a file of its own, for those who share.
export function share(connect: typeof Connect, url: string, options: CheckedOptions, listener: Listener): Connection {
  const open = (options: CheckedOptions, listener: Listener) => connect(url, options, listener);
  const { BroadcastChannel, navigator } = globalThis;
  if (!BroadcastChannel || !navigator?.locks) {
    return open(options, listener);
  }
  // Pages of two versions may be open at once; what members say to each other is not the same for all time.
  const kind = [VERSION, url, ...DISTINGUISHING.map((name) => options[name] ?? null)];
  // As text, since JSON has no infinity.
  return new Member(`heartwire ${JSON.stringify(kind.map(String))}`, options, listener, open);
}
