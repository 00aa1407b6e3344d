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

/** So long may the worker take to be loaded and to say hello; and so long if it was there before, and may hang. */
const HELLO_MS = 5_000;
const HELLO_AGAIN_MS = 8_000;

/**
 * So often a page that is looked at asks the worker whether it is alive, and so many times in vain until it calls it
 * again. A worker that was only busy has then been called once too often, which is nothing to it.
 */
const ASK_MS = 250;
const MOST_UNANSWERED = 3;

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
  /** The call at work. What becomes of those before it does not matter. */
  #call: Promise<Line | undefined> | undefined;
  #port: MessagePort | undefined;
  #watch: ReturnType<typeof setInterval> | undefined;
  #unanswered = 0;

  /** @param mandate - What the worker is to do, should it not do it already. */
  constructor(start: Start, mandate: () => Mandate, holder: Holder, host: Host = globalThis) {
    this.#start = start;
    this.#mandate = mandate;
    this.#holder = holder;
    this.#host = host;
  }

  /** Calls the worker, which may have died: no browser tells that. The line that is there is kept until it answers. */
  wait(): void {
    if (this.#call) {
      // It has been called, and has its time to answer.
      return;
    }
    const calling = call(this.#start, this.#host, this.#port ? HELLO_AGAIN_MS : HELLO_MS);
    this.#call = calling;
    void calling.then((line) => {
      if (this.#call !== calling) {
        line?.port.close();
        return;
      }
      this.#call = undefined;
      if (!line) {
        this.#holder.refused();
        return;
      }
      const { port } = line;
      const before = this.#port;
      this.#port = port;
      this.#unanswered = 0;
      port.onmessage = () => {
        this.#unanswered = 0;
      };
      port.postMessage(this.#mandate());
      // Not before that: the worker ends a group that no page wants any more.
      hangUp(before);
    });
  }

  giveUp(): void {
    this.#call = undefined;
    hangUp(this.#port);
    this.#port = undefined;
  }

  watch(on: boolean): void {
    this.#host.clearInterval(this.#watch);
    this.#watch = on ? this.#host.setInterval(() => this.#look(), ASK_MS) : undefined;
    this.#unanswered = 0;
  }

  #look(): void {
    if (this.#unanswered >= MOST_UNANSWERED) {
      this.wait();
    } else if (this.#port) {
      this.#unanswered += 1;
      this.#port.postMessage('alive?');
    }
  }

  async nWaiting(): Promise<number> {
    return 0;
  }
}

function hangUp(port: MessagePort | undefined): void {
  port?.postMessage(null);
  port?.close();
}

/** Calls the worker. `undefined` when it does not answer, or is of another version than this page. */
const call = (start: Start, host: Pick<Host, 'setTimeout'>, ms: number): Promise<Line | undefined> =>
  new Promise((answer) => {
    try {
      const worker = start();
      const { port } = worker;
      worker.onerror = () => answer(undefined);
      port.onmessage = ({ data: [version, address] }) => answer(version === VERSION ? { port, address } : undefined);
      host.setTimeout(() => answer(undefined), ms);
    } catch {
      answer(undefined);
    }
  });

// In these very words, by which bundlers find the file. They read the name, too, and may give it to a file of theirs.
// Text in here instead of a file would not do: a `blob:` URL is another one in each tab, and so would the worker be; one
// of a `data:` URL has an origin to itself, without a way to the pages' channel or the server's cookies.
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
  const line = await call(start, globalThis, HELLO_MS);
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
