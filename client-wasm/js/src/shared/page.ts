/**
 * The page of a member: where it stands, what it was told, and how it goes along with its group. It is in one of two
 * ways: it **follows**, and has had everything that its log has; or it is **apart**, with a connection of its own that
 * goes on where the page stands, until it meets the log.
 */

import type { Listener } from '../connection.js';
import type { Connection } from '../engine.js';
import type { CheckedOptions } from '../options.js';
import { endOf, type Entry, type Excerpt, Log, type Place, termAfter } from './log.js';
import type { StateWord } from './words.js';

/** What a page needs of its member. */
export interface Group {
  /** Whether the page's stream is over. */
  readonly closed: boolean;
  /**
   * Opens a connection. What it has to say after it has been let go is for nobody.
   *
   * @param current - The one that has not.
   * @param say - Takes each word.
   */
  open(
    options: Partial<CheckedOptions>,
    types: Iterable<string>,
    current: () => Connection | undefined,
    say: (entry: Entry) => void,
  ): Connection;
  /** Ends the page's stream, and tells it why. */
  end(word: StateWord): void;
}

export class Page {
  readonly #group: Group;
  readonly #listener: Listener | undefined;
  readonly #from: CheckedOptions['from'];
  /** The types that it wants. */
  readonly types = new Set<string>();
  readonly counts = { delivered: 0, heartbeats: 0, gaps: 0 };
  /** Its resume point. */
  id: string;
  /** Whether the group is heard and nothing of it is missing, so that it may go on with the log. */
  inTouch = false;
  #told: StateWord | undefined;
  #log: Log | undefined;
  #following = false;
  /** Whether it may begin wherever the group is. */
  #fresh: boolean;
  #own: Connection | undefined;

  /** @param listener - `undefined` where there is nobody to hear it. */
  constructor(group: Group, listener: Listener | undefined, { lastEventId, from }: CheckedOptions) {
    this.#group = group;
    this.#listener = listener;
    this.#from = from;
    this.id = lastEventId ?? '';
    this.#fresh = !listener || !(this.id || this.wantsAll);
  }

  /** What was said lately, as far as this member knows. */
  get log(): Log | undefined {
    return this.#log;
  }

  /** Its own connection, while it is apart. */
  get own(): Connection | undefined {
    return this.#own;
  }

  /** What it has had of the log. `undefined` where it does not follow. */
  get place(): Place | undefined {
    return this.#following ? this.#log?.end : undefined;
  }

  /** Whether it has had nothing yet of all that it wants. */
  get wantsAll(): boolean {
    return !this.id && this.#from === 'earliest';
  }

  /** Whether it would miss events of these types if it went on with the log. */
  lacks(types: Iterable<string>): boolean {
    return this.#following && !this.#log!.takes(types, this.#log!.end[0]);
  }

  /** Begins a log where it stands, in which its types are there from the begin. */
  begin(term: number): Log {
    const types = new Map([...this.types].map((type) => [type, 0]));
    const log = new Log({ start: [0, term], id: this.id, entries: [], types, state: undefined, gapTo: '', whole: this.wantsAll });
    this.#log = log;
    this.#follow(0);
    return log;
  }

  /** Goes on with what another member has. It may have been sent some time ago. */
  adopt(excerpt: Excerpt): void {
    const log = this.#log;
    const known = log ? log.end[0] - excerpt.start[0] : -1;
    if (log && known >= 0 && log.end[1] === termAfter(excerpt, known)) {
      this.append(excerpt.entries.slice(known));
      this.#tellState();
    } else if (!log?.has(endOf(excerpt))) {
      this.#log = new Log(excerpt);
      this.#following = false;
      this.#place();
    }
  }

  /** Adds to the log what the leader says next, and hears it if it follows. */
  append(entries: readonly Entry[]): void {
    this.#log!.append(entries);
    if (this.#following) {
      this.#deliver(entries);
    } else if (this.#own) {
      this.#meet();
    }
  }

  /** Finds a place for it, should it have none. */
  settle(): void {
    if (!this.#following && !this.#own) {
      this.#place();
    }
  }

  goApart(): void {
    this.#following = false;
    this.#fresh = false;
    if (this.#own || this.#group.closed) {
      return;
    }
    const own = this.#group.open(
      { lastEventId: this.id || null },
      this.types,
      () => this.#own,
      (entry) => {
        this.#hear(entry);
        this.#meet();
      },
    );
    this.#own = own;
    own.start();
  }

  /** Lets go of its own connection. */
  close(): void {
    const own = this.#own;
    this.#own = undefined;
    own?.close();
  }

  /** Tells it the state, unless that is what it was told last. */
  tell(word: StateWord): void {
    if (String(word) !== String(this.#told)) {
      this.#told = word;
      this.#listener?.state(word[1], word[2], word[3], word[4] ?? undefined, word[5], word[6]);
    }
  }

  bytes(n: number): void {
    this.#listener?.bytes?.(n);
  }

  /** Finds its place in the log, which is a new one. */
  #place(): void {
    const log = this.#log!;
    const { beginning } = log;
    if (this.#own || !(this.#fresh || this.wantsAll)) {
      this.#meet() || this.goApart();
    } else if (this.#fresh) {
      this.#follow(log.end[0]);
    } else if (beginning !== undefined && log.takes(this.types, beginning)) {
      this.#follow(beginning);
    } else {
      this.goApart();
    }
  }

  /** Follows the log if its place is in there, and somebody goes on with it. */
  #meet(): boolean {
    const n = this.inTouch ? this.#log?.find(this.id) : undefined;
    if (n === undefined || !this.#log!.takes(this.types, n)) {
      return false;
    }
    this.#follow(n);
    return true;
  }

  /** Hears what the log has after `n` words, as long as it follows. */
  #follow(n: number): void {
    const log = this.#log!;
    this.#following = true;
    this.#fresh = false;
    // A page that began where the group was stands there.
    this.id ||= log.id;
    this.close();
    this.#deliver(log.since(n));
    this.#tellState();
  }

  #deliver(entries: readonly Entry[]): void {
    for (const entry of entries) {
      // What it does not take now it goes for itself.
      if (this.#following) {
        this.#hear(entry);
      }
    }
  }

  /** Hears a word, which may be the last one. It may close the stream as it hears it, or want another type. */
  #hear([word, id]: Entry): void {
    if (word[0] === 'state' && word[1] === 'closed' && word[4] !== 'switched-off') {
      this.#group.end(word);
      return;
    }
    if (this.#group.closed) {
      return;
    }
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

  /** A page that has just come to the log may not have heard what state that is in. */
  #tellState(): void {
    const state = this.#log?.state;
    if (this.#following && !this.#group.closed && state) {
      this.tell(state);
    }
  }
}
