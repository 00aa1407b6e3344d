/** The lock of a group: whoever holds it leads. */

import type { Page } from './page.js';

/** What becomes of the wait for it. */
export interface Holder {
  /** It is this one's until it gives it up. */
  granted(): void;
  /** Somebody took it, who had not heard of this one for too long. */
  stolen(): void;
  /** This page may have no such lock. */
  refused(): void;
}

export interface Lock {
  /** Gives it up, and waits for it behind all others; or takes it from whoever has it. */
  wait(steal?: boolean): void;
  /** Gives up the lock, or the wait for it. */
  giveUp(): void;
  /** How many wait for it. Asked only by whoever holds it. */
  nWaiting(): Promise<number>;
  /** From now on see to it that whoever holds it is alive, or no more. Missing where the browser does. */
  watch?(on: boolean): void;
}

/** Makes a member's end of its group's lock. */
export type MakeLock = (holder: Holder, page: Page) => Lock;

/** How groups come by a leader here. */
export interface Way {
  /** The address of the worker that leads. Another one has groups of its own. */
  readonly worker?: string;
  /** For the group of that name. */
  lock(name: string): MakeLock;
}

type Locks = Pick<LockManager, 'request' | 'query'>;

/** The browser's own lock: one of all tabs holds it. */
export class WebLock implements Lock {
  readonly #locks: Locks;
  readonly #name: string;
  readonly #holder: Holder;
  #giveUp: (() => void) | undefined;

  constructor(locks: Locks, name: string, holder: Holder) {
    this.#locks = locks;
    this.#name = name;
    this.#holder = holder;
  }

  wait(steal = false): void {
    this.giveUp();
    const waiting = new AbortController();
    let release = () => {};
    const giveUp = () => {
      waiting.abort();
      release();
    };
    this.#giveUp = giveUp;
    this.#locks
      .request(this.#name, steal ? { steal } : { signal: waiting.signal }, () => {
        if (waiting.signal.aborted) {
          return undefined;
        }
        this.#holder.granted();
        return new Promise<void>((resolve) => {
          release = resolve;
        });
      })
      .catch((failure: unknown) => {
        // Whoever gave it up knows.
        if (this.#giveUp === giveUp) {
          // Should it be granted only now, as a page may hear that was too busy for it before, that is over.
          this.giveUp();
          if ((failure as Partial<DOMException>)?.name === 'AbortError') {
            this.#holder.stolen();
          } else {
            this.#holder.refused();
          }
        }
      });
  }

  giveUp(): void {
    const giveUp = this.#giveUp;
    this.#giveUp = undefined;
    giveUp?.();
  }

  async nWaiting(): Promise<number> {
    const { pending = [] } = await this.#locks.query();
    return pending.filter(({ name }) => name === this.#name).length;
  }
}
