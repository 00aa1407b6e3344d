/**
 * What the leader of a group has said lately, as every member has it: numbered words, of which none is missing.
 *
 * A log only knows what was said. Who says it is decided in `member.ts`, who hears it in `page.ts`.
 */

import { isAtOrBefore } from './order.js';
import type { StateWord, Word } from './words.js';

/** A word, the term of the leader that said it, and the resume point of whoever has heard it. */
export type Entry = readonly [word: Word, id: string, term: number];

/**
 * After the `n`th word of a group, which was said in `term`. Where two logs have the same place they are the same up
 * to there, since a term has one leader and a leader says one word at a time.
 */
export type Place = readonly [n: number, term: number];

/** A log, or the later part of one, as it goes from one member to another. */
export interface Excerpt {
  /** The place before its first entry. */
  readonly start: Place;
  /** The resume point there. */
  readonly id: string;
  readonly entries: readonly Entry[];
  /**
   * Each type that is taken, and from which place on none of its events is missing: after the first word that the
   * stream brought once they were listened for. What it had brought before without anybody's notice may lie behind the
   * resume point of the word before. `Infinity` while there is no such word.
   */
  readonly types: ReadonlyMap<string, number>;
  /** The last word about the state at its end. */
  readonly state: StateWord | undefined;
  /** Up to which id the last gap was told, which may be beyond that of the word. Empty when there was none. */
  readonly gapTo: string;
  /** Whether nothing that the server had comes before it. */
  readonly whole: boolean;
}

/** In which term the word was said after which `n` words of an excerpt have been. */
export const termAfter = ({ start, entries }: Excerpt, n: number): number | undefined => (n ? entries[n - 1]?.[2] : start[1]);

export const endOf = (excerpt: Excerpt): Place => {
  const { start, entries } = excerpt;
  return [start[0] + entries.length, termAfter(excerpt, entries.length)!];
};

/** Whether a place is further than another in what a group has said: in a later term, or later in the same. */
export const isLater = (place: Place, than: Place | undefined): boolean =>
  !than || place[1] > than[1] || (place[1] === than[1] && place[0] > than[0]);

/** What a connection says when its stream has brought something; the state `open` is another such word. */
const STREAM_WORDS: ReadonlySet<string> = new Set(['message', 'heartbeat', 'gap']);

/** So much is kept: enough for members that were busy for a moment. Whoever misses more asks the server. */
const MOST_ENTRIES = 1_000;
const MOST_LENGTH = 1_000_000;

export class Log {
  #start: Place;
  #id: string;
  readonly #entries: Entry[] = [];
  #length = 0;
  readonly #types: Map<string, number>;
  #state: StateWord | undefined;
  #gapTo: string;
  #whole: boolean;

  constructor({ start, id, entries, types, state, gapTo, whole }: Excerpt) {
    this.#start = start;
    this.#id = id;
    this.#types = new Map(types);
    this.#state = state;
    this.#gapTo = gapTo;
    this.#whole = whole;
    entries.forEach((entry) => this.#keep(entry));
  }

  /** The place after the last word. */
  get end(): Place {
    const last = this.#entries.at(-1);
    return last ? [this.#start[0] + this.#entries.length, last[2]] : this.#start;
  }

  /** The resume point after the last word. */
  get id(): string {
    return this.#entries.at(-1)?.[1] ?? this.#id;
  }

  get state(): StateWord | undefined {
    return this.#state;
  }

  /** All types that are listened for. */
  get types(): Iterable<string> {
    return this.#types.keys();
  }

  append(entries: readonly Entry[]): void {
    for (const entry of entries) {
      this.#keep(entry);
      const [word] = entry;
      if (word[0] === 'state') {
        this.#state = word;
      } else if (word[0] === 'gap') {
        this.#gapTo = word[2];
      } else if (word[0] === 'types') {
        for (const type of word[1]) {
          this.#types.set(type, this.#types.get(type) ?? Infinity);
        }
      }
      if (STREAM_WORDS.has(word[0]) || word[1] === 'open') {
        for (const [type, since] of this.#types) {
          if (since === Infinity) {
            this.#types.set(type, this.end[0]);
          }
        }
      }
    }
  }

  #keep(entry: Entry): void {
    this.#entries.push(entry);
    this.#length += lengthOf(entry);
    while (this.#entries.length > MOST_ENTRIES || this.#length > MOST_LENGTH) {
      const oldest = this.#entries.shift()!;
      this.#length -= lengthOf(oldest);
      this.#start = [this.#start[0] + 1, oldest[2]];
      this.#id = oldest[1];
      this.#whole = false;
    }
  }

  /** Whether this log has that place. */
  has([n, term]: Place): boolean {
    const at = n - this.#start[0];
    return at === 0 ? this.#start[1] === term : this.#entries[at - 1]?.[2] === term;
  }

  endsAt(place: Place): boolean {
    return this.end[0] === place[0] && this.has(place);
  }

  /** After how many words a reader goes on that has had everything up to `id`. `undefined` when that is not known. */
  find(id: string): number | undefined {
    const [start] = this.#start;
    // A slow leader may have been brought some of the events of a gap. Who stands among them has not been told of it.
    if (!id || (id !== this.#gapTo && isAtOrBefore(id, this.#gapTo))) {
      return undefined;
    }
    if (isAtOrBefore(this.#id, id) && isAtOrBefore(id, this.id)) {
      let n = this.#entries.length;
      while (n > 0 && !isAtOrBefore(this.#entries[n - 1]![1], id)) {
        n -= 1;
      }
      return start + n;
    }
    // Ids without an order: the first word with this one is the event, what follows with the same has none of its own.
    const at = id === this.#id ? -1 : this.#entries.findIndex((entry) => entry[1] === id);
    return at >= 0 || id === this.#id ? start + at + 1 : undefined;
  }

  knows(type: string): boolean {
    return this.#types.has(type);
  }

  /** Whether no event of these types is missing from there on. */
  takes(types: Iterable<string>, n: number): boolean {
    return [...types].every((type) => (this.#types.get(type) ?? Infinity) <= n);
  }

  /** What follows after `n` words. */
  since(n: number): readonly Entry[] {
    return this.#entries.slice(n - this.#start[0]);
  }

  /** The part of it from `n` on; without `n` all of it. */
  excerpt(n = this.#start[0]): Excerpt {
    const before = this.#entries[n - this.#start[0] - 1];
    return {
      start: before ? [n, before[2]] : this.#start,
      id: before ? before[1] : this.#id,
      entries: this.since(n),
      types: this.#types,
      state: this.#state,
      gapTo: this.#gapTo,
      whole: this.#whole && !before,
    };
  }

  /** After how many words somebody goes on that wants all that the server had. `undefined` when that is gone from here. */
  get beginning(): number | undefined {
    return this.#whole ? this.#start[0] : undefined;
  }
}

const lengthOf = ([word]: Entry): number => (word[0] === 'message' ? word[2].length : 0);
