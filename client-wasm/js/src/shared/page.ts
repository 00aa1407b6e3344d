/** The page of a member: where it stands, and what it was told. */

import type { Listener } from '../connection.js';
import type { Entry } from './log.js';
import type { StateWord } from './words.js';

export class Page {
  readonly #listener: Listener | undefined;
  /** The types that it wants. */
  readonly types = new Set<string>();
  readonly counts = { delivered: 0, heartbeats: 0, gaps: 0 };
  /** Its resume point. */
  id: string;
  #told: StateWord | undefined;

  /** @param listener - `undefined` where there is nobody to hear it. */
  constructor(listener: Listener | undefined, id: string) {
    this.#listener = listener;
    this.id = id;
  }

  /** Gives it a word, which may be the last one. */
  hear([word, id]: Entry): void {
    // Before it is told: it may look where it stands.
    this.id = id || this.id;
    switch (word[0]) {
      case 'message':
        if (this.types.has(word[1])) {
          this.counts.delivered += 1;
          this.#listener?.deliver(word[1], word[2], this.id);
        }
        break;
      case 'state':
        this.tell(word);
        break;
      case 'heartbeat':
        this.counts.heartbeats += 1;
        this.#listener?.heartbeat(word[1]);
        break;
      case 'gap':
        this.counts.gaps += 1;
        this.#listener?.gap(word[1], word[2], word[3]);
        break;
      case 'expiring':
        this.#listener?.expiring(word[1]);
        break;
      case 'error':
        this.#listener?.error(word[1], word[2], word[3]);
        break;
    }
  }

  /** Tells it the state, unless that is what it was told last. */
  tell(word: StateWord): void {
    if (String(word) !== String(this.#told)) {
      this.#told = word;
      this.#listener?.state(word[1], word[2], word[3], word[4] ?? undefined, word[5]);
    }
  }

  bytes(n: number): void {
    this.#listener?.bytes?.(n);
  }
}
