/** Which streams share one connection, and how they can here. */

import type { connect as Connect } from '../connection.js';
import type { CheckedOptions } from '../options.js';
import { type Way, WebLock } from './lock.js';
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

/**
 * What makes a connection that all streams of this browser with the same address, options and identity have between
 * them: with Web Locks one of them leads, without these a shared worker does. Where there is neither, `connect` itself.
 */
// `connect` and the WebAssembly are handed in, since this is a file of its own, for those who share.
export async function share(
  connect: typeof Connect,
  wasm: () => BufferSource,
  url: string,
  options: CheckedOptions,
): Promise<typeof Connect> {
  try {
    // There may be none, and Firefox makes none for a page that may not store anything.
    new BroadcastChannel('heartwire').close();
  } catch {
    return connect;
  }
  const connection = Object.fromEntries(DISTINGUISHING.map((name) => [name, options[name]]));
  const locks = globalThis.navigator?.locks;
  const way: Way | undefined = locks
    ? { lock: (name) => (holder) => new WebLock(locks, name, holder) }
    : // Few pages do without. What that takes is a file of its own as well, which may be missing.
      await import('./worker-lock.js').then(
        ({ find }) => find(url, options, connection, wasm),
        () => undefined,
      );
  if (!way) {
    return connect;
  }
  // Pages of two versions may be open at once; what members say to each other is not the same for all time.
  const kind = [VERSION, url, connection, way.worker];
  // JSON has no infinity.
  const name = `heartwire ${JSON.stringify(kind, (_, value: unknown) => (value === Infinity ? 'never' : value))}`;
  return (url, options, listener) =>
    new Member(name, options, listener, (options, listener) => connect(url, options, listener), way.lock(name));
}
