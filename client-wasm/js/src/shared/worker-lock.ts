/**
 * The lock of a group as pages without Web Locks have it: a shared worker holds it, and no page ever does. While a page
 * waits for it, the worker leads. See `leaders.ts` for the worker's side.
 */

import type { CheckedOptions } from '../options.js';
import type { Mandate } from './leaders.js';
import type { Holder, Lock, Way } from './lock.js';
import type { Host } from './member.js';
import type { Page } from './page.js';

declare const VERSION: string;

/** So long may the worker take to be loaded and to say hello. */
const HELLO_MS = 5_000;

/** Starts the worker, or finds it running. Throws where there can be none. */
type Start = () => Pick<SharedWorker, 'port' | 'onerror'>;

/** A line to the worker, and the worker's address. */
interface Line {
  readonly port: MessagePort;
  readonly address: string;
}

export class WorkerLock implements Lock {
  readonly #start: Start;
  readonly #mandate: () => Mandate;
  readonly #holder: Holder;
  readonly #host: Host;
  /** The call at work, or the last one that was answered. What becomes of those before it does not matter. */
  #called: Promise<Line | undefined> | undefined;
  #port: MessagePort | undefined;

  /** @param mandate - What the worker is to do, should it not do it already. */
  constructor(start: Start, mandate: () => Mandate, holder: Holder, host: Host = globalThis) {
    this.#start = start;
    this.#mandate = mandate;
    this.#holder = holder;
    this.#host = host;
  }

  /** Calls the worker. It may have died, which no browser tells; the page misses it like a leader that hangs. */
  wait(): void {
    if (this.#called && !this.#port) {
      // It has been called, and has its time to answer.
      return;
    }
    this.giveUp();
    const called = call(this.#start, this.#host);
    this.#called = called;
    void called.then((line) => {
      if (this.#called !== called) {
        line?.port.close();
      } else if (line) {
        this.#port = line.port;
        line.port.postMessage(this.#mandate());
      } else {
        this.#called = undefined;
        this.#holder.refused();
      }
    });
  }

  giveUp(): void {
    this.#called = undefined;
    this.#port?.postMessage(null);
    this.#port?.close();
    this.#port = undefined;
  }

  async nWaiting(): Promise<number> {
    return 0;
  }
}

/** Calls the worker. `undefined` when it does not answer, or is of another version than this page. */
const call = (start: Start, host: Pick<Host, 'setTimeout'>): Promise<Line | undefined> =>
  new Promise((answer) => {
    try {
      const worker = start();
      const { port } = worker;
      worker.onerror = () => answer(undefined);
      port.onmessage = ({ data: [version, address] }) => answer(version === VERSION ? { port, address } : undefined);
      host.setTimeout(() => answer(undefined), HELLO_MS);
    } catch {
      answer(undefined);
    }
  });

// In these very words, by which bundlers find the file. They read the name, too, and may give it to a file of theirs.
const start: Start = () =>
  new SharedWorker(new URL('./heartwire.worker.js', import.meta.url), { type: 'module', name: `heartwire-${VERSION}` });

/**
 * Looks whether the worker can lead here for such a stream.
 *
 * @param connection - Those of the options that are the same for the whole group.
 */
export async function find(
  url: string,
  options: CheckedOptions,
  connection: Partial<CheckedOptions>,
  wasm: () => BufferSource,
): Promise<Way | undefined> {
  const { headers, from, fetch, token } = options;
  if (token || typeof headers === 'function') {
    // No function can be sent there.
    return undefined;
  }
  const line = await call(start, globalThis);
  if (!line) {
    return undefined;
  }
  // Each lock has a line of its own.
  line.port.close();
  const mandate = (name: string, page: Page): Mandate => ({
    name,
    url,
    options: {
      ...connection,
      headers: headers && [...new Headers(headers)],
      // Should there be no such group yet, it begins where this page is.
      from,
      lastEventId: page.id || null,
      fetch,
      renewsToken: false,
      topics: [],
      types: [],
    },
    types: [...page.types],
    wasm: wasm(),
  });
  return { worker: line.address, lock: (name) => (holder, page) => new WorkerLock(start, () => mandate(name, page), holder) };
}
