/**
 * One stream of a page in its group: all streams of this browser with the same address, options and identity.
 *
 * The member that holds the group's lock leads: it has the one connection to the server, and says to the others
 * whatever comes by it. Every member keeps what was said lately in its {@link Log}. A member's page is in one of two
 * ways: it **follows**, and has had everything that its log has; or it is **apart**, with a connection of its own
 * that goes on where the page stands, until it meets the log. Leading has nothing to do with it: the page of a leader
 * hears the leader's words like any other.
 *
 * Why each page gets every event once and in order, or is told of a gap:
 * - A leader numbers its words, and a member takes a word only right after the one before it ({@link Log.has}).
 *   Whoever finds that something is missing asks the leader for it.
 * - Each word carries the resume point of whoever has heard it. A new leader connects from the last one of its log:
 *   what the server brings is exactly what comes after that log.
 * - Before it connects, a new leader asks whether anybody has heard more than it has, and takes that over. Whoever does
 *   not answer in time and had heard more has a place that the log lacks. Its page goes on from its own resume point,
 *   in the log if that tells where it lies ({@link Log.find}), else apart.
 * - Apart, the server brings what comes after the page's resume point. The page follows again from a place in the log
 *   that lies exactly at its resume point.
 * - A leader takes from its connection the types that its log says. A page follows from a place only if no event of
 *   its types is missing from there on; otherwise it goes apart first.
 *
 * A leader that is put aside or closed gives up the lock; one that crashes loses it. One that hangs is noticed by a
 * page that is looked at, which takes the lock from it. What it may say after that is of an old term, and ignored.
 *
 * What the lock is differs: `lock.ts` where one of the pages leads, `worker-lock.ts` and `leaders.ts` where a worker does.
 */

import type { Listener } from '../connection.js';
import type { Connection } from '../engine.js';
import { Fare, type Life } from '../life.js';
import type { CheckedOptions } from '../options.js';
import { elect, type Election } from './election.js';
import type { Holder, Lock, MakeLock } from './lock.js';
import { endOf, type Entry, type Excerpt, Log, type Place, termAfter } from './log.js';
import type { Message, MessageOf } from './messages.js';
import { Page } from './page.js';
import { inWords, type StateWord, type Word } from './words.js';

/** Makes a connection to the server. */
export type Connect = (options: CheckedOptions, listener: Listener) => Connection;

/** What a member needs of the world. */
export type Host = Pick<typeof globalThis, 'BroadcastChannel' | 'setTimeout' | 'setInterval' | 'clearInterval'> & {
  addEventListener?(type: string, act: () => void): void;
  removeEventListener?(type: string, act: () => void): void;
};

/** So often a page that is looked at sees to it that its leader was heard. The second time in vain it asks, the fourth it takes over. */
const WATCH_MS = 1_000;
const MISSES_UNTIL_ASKED = 2;
const MISSES_UNTIL_STOLEN = 4;

export class Member implements Connection {
  readonly #name: string;
  readonly #options: CheckedOptions;
  readonly #page: Page;
  readonly #lock: Lock;
  readonly #connect: Connect;
  readonly #host: Host;
  readonly #me = `${Date.now()}-${Math.random()}`;

  #enabled: boolean;
  #closed = false;
  readonly #fare = new Fare();

  #log: Log | undefined;
  /** The highest term that was heard of. */
  #term = 0;
  #following = false;
  /** Whether the page may begin wherever the group is. */
  #fresh: boolean;
  /** The page's own connection, while it is apart. */
  #own: Connection | undefined;

  #channel: BroadcastChannel | undefined;
  #asking = false;
  #election: Election | undefined;
  /** The connection for the group, while this member leads. */
  #upstream: Connection | undefined;
  /** Whether there were ever others. */
  #hasCompany = false;
  /** What was said and not yet sent. */
  #unsent: Entry[] = [];
  #unsentAfter: Place | undefined;

  #watch: ReturnType<typeof setInterval> | undefined;
  #misses = 0;

  /** @param listener - Its page's. `undefined` when it has none, and is there to lead. */
  constructor(
    name: string,
    options: CheckedOptions,
    listener: Listener | undefined,
    connect: Connect,
    lock: MakeLock,
    host: Host = globalThis,
  ) {
    this.#name = name;
    this.#options = options;
    this.#page = new Page(listener, options.lastEventId ?? '');
    const holder: Holder = {
      granted: () => void this.#lead(),
      stolen: () => {
        this.#standDown();
        this.#lock.wait();
        this.#ask();
      },
      refused: () => {
        this.#leave();
        this.#goApart();
      },
    };
    this.#lock = lock(holder, this.#page);
    this.#connect = connect;
    this.#host = host;
    this.#enabled = options.enabled ?? true;
    this.#fresh = !listener || (!options.lastEventId && options.from !== 'earliest');
  }

  // What the page asks for.

  start(): void {
    if (this.#enabled) {
      this.#join();
    } else {
      this.#goApart();
    }
  }

  listen(type: string): void {
    this.#page.types.add(type);
    this.#own?.listen(type);
    if (!this.#channel) {
      return;
    }
    this.#want([type]);
    if (this.#following && !this.#upstream && !this.#log!.takes([type], this.#log!.end[0])) {
      // The leader has not taken these events. Until it does, this page takes them itself.
      this.#goApart();
    }
    this.#post({ kind: 'want', types: [type] });
  }

  setEnabled(enabled: boolean): void {
    if (this.#enabled === enabled || this.#closed) {
      return;
    }
    this.#enabled = enabled;
    this.#own?.setEnabled(enabled);
    if (enabled) {
      this.#join();
    } else {
      this.#leave();
      this.#goApart();
    }
  }

  close(): void {
    this.#end(['state', 'closed', 0, 0, 'by-page', null]);
  }

  /** Whether it is over: the page wants no more, or the server has ended it for the whole group. */
  get closed(): boolean {
    return this.#closed;
  }

  lastEventId(): string {
    return this.#page.id;
  }

  counters(): ArrayLike<number> {
    return (this.#upstream ?? this.#own)?.counters() ?? [];
  }

  get counts() {
    return this.#page.counts;
  }

  life(what: Life): void {
    this.#own?.life?.(what);
    this.#upstream?.life?.(what);
    this.#fare.note(what);
    if (what === 'paused') {
      this.#leave();
    } else if (what === 'woke' && this.#enabled && !this.#closed) {
      this.#join();
    } else if (what === 'hidden' || what === 'shown') {
      this.#watchLeader();
    }
  }

  // The group.

  #join(): void {
    if (this.#channel) {
      return;
    }
    this.#channel = new this.#host.BroadcastChannel(this.#name);
    this.#channel.onmessage = ({ data }) => this.#hear(data as Message);
    this.#lock.wait();
    this.#ask();
    this.#watchLeader();
  }

  #leave(): void {
    this.#standDown();
    this.#lock.giveUp();
    this.#channel?.close();
    this.#channel = undefined;
    this.#asking = false;
    this.#watchLeader();
  }

  get #leading(): boolean {
    return Boolean(this.#upstream ?? this.#election);
  }

  async #lead(): Promise<void> {
    this.#post({ kind: 'lead', from: this.#me, place: this.#log?.end });
    // Each member but this one waits for the lock.
    const election = elect(this.#lock.nWaiting(), this.#host.setTimeout);
    this.#election = election;
    const most = await election.result;
    if (this.#election !== election) {
      return;
    }
    this.#election = undefined;
    this.#asking = false;
    this.#misses = 0;
    // Later than any that was heard of, and than any of which all have gone; and nobody else's.
    this.#term = Math.max(this.#term + 1, Date.now() + Math.random());
    if (most) {
      this.#adopt(most);
    }
    this.#takeOver();
  }

  #takeOver(): void {
    let { from } = this.#options;
    if (this.#log) {
      // Where a group has no resume point yet, it has heard nothing.
      from = 'live';
    } else {
      // Nobody was here. The group begins where this page stands, and has its types from the begin.
      const { id } = this.#page;
      const types = new Map([...this.#page.types].map((type) => [type, 0]));
      this.#log = new Log({ start: [0, this.#term], id, entries: [], types, state: undefined, whole: this.#wantsAll });
      this.#follow(0);
    }
    const log = this.#log;
    const upstream = this.#open(
      { from, lastEventId: log.id || null },
      log.types,
      () => this.#upstream,
      (entry) => this.#say(entry),
    );
    this.#upstream = upstream;
    // Firefox breaks off scripts of a page that is about to go, in the middle of an event, and lets the next one come
    // as if nothing had been. So who has company hands over before that, and queues up again, should the page stay.
    this.#host.addEventListener?.('beforeunload', this.#handOver);
    this.#want(this.#page.types);
    upstream.start();
    if (!this.#following && !this.#own) {
      this.#place();
    }
  }

  /** No longer leads. Whoever gets the lock next goes on. */
  #standDown(): void {
    this.#election = undefined;
    const upstream = this.#upstream;
    this.#upstream = undefined;
    this.#host.removeEventListener?.('beforeunload', this.#handOver);
    this.#send();
    upstream?.close();
  }

  /** Lets somebody else lead. The lock may have been taken already, without this one having heard of it. */
  #depose(): void {
    if (this.#leading) {
      this.#standDown();
      this.#lock.wait();
    }
  }

  readonly #handOver = (): void => {
    if (this.#hasCompany) {
      this.#depose();
    }
  };

  /** As the leader: from now on these types are taken. */
  #want(types: Iterable<string>): void {
    const upstream = this.#upstream;
    const log = this.#log;
    const news = upstream && log ? [...types].filter((type) => !log.knows(type)) : [];
    if (news.length) {
      news.forEach((type) => upstream!.listen(type));
      this.#say([['types', news], log!.id, this.#term]);
    }
  }

  /** As the leader: says a word to all, this page included. */
  #say(entry: Entry): void {
    if (!this.#unsent.length) {
      this.#unsentAfter = this.#log!.end;
      // What comes at once goes at once.
      queueMicrotask(() => this.#send());
    }
    this.#unsent.push(entry);
    this.#append([entry]);
  }

  #send(): void {
    const entries = this.#unsent;
    this.#unsent = [];
    if (entries.length) {
      this.#post({ kind: 'words', term: this.#term, after: this.#unsentAfter!, entries });
    }
  }

  #ask(): void {
    if (!this.#leading) {
      this.#asking = true;
      const place = this.#following ? this.#log?.end : undefined;
      this.#post({ kind: 'ask', from: this.#me, place, id: this.#page.id, earliest: this.#wantsAll, types: [...this.#page.types] });
    }
  }

  #post(message: Message): void {
    this.#channel?.postMessage(message);
  }

  #hear(message: Message): void {
    this.#hasCompany = true;
    switch (message.kind) {
      case 'ask':
        this.#answer(message);
        break;
      case 'tell':
        if (message.to === this.#me && this.#isOfLeader(message.term)) {
          this.#asking = false;
          this.#adopt(message.excerpt);
        }
        break;
      case 'words':
        if (this.#isOfLeader(message.term)) {
          if (this.#ends(message.after)) {
            this.#append(message.entries);
          } else if (!this.#asking) {
            this.#ask();
          }
        }
        break;
      case 'lead': {
        this.#depose();
        // What was asked of the leader before this one is never answered.
        this.#asking = false;
        const { place, from } = message;
        const log = this.#log;
        const excerpt = log?.excerpt(place && log.has(place) ? place[0] : log.end[0]);
        this.#post({ kind: 'here', to: from, from: this.#me, excerpt, term: this.#term });
        break;
      }
      case 'here':
        this.#count(message);
        break;
      case 'want':
        this.#want(message.types);
        break;
      case 'ping':
        if (this.#upstream) {
          this.#post({ kind: 'pong', term: this.#term });
        }
        break;
      case 'pong':
        this.#isOfLeader(message.term);
        break;
    }
  }

  /** Whether the leader of the newest term says this. Then it is alive, and no other leads. */
  #isOfLeader(term: number): boolean {
    if (term < this.#term) {
      return false;
    }
    if (term > this.#term) {
      this.#depose();
      this.#term = term;
      this.#asking = false;
    }
    this.#misses = 0;
    return true;
  }

  #answer({ from, place, id, earliest, types }: MessageOf<'ask'>): void {
    const log = this.#log;
    if (!this.#upstream || !log) {
      return;
    }
    this.#want(types);
    // So that what comes after the answer follows on it.
    this.#send();
    const n = place && log.has(place) ? place[0] : (log.find(id) ?? (earliest ? log.beginning : undefined));
    this.#post({ kind: 'tell', to: from, term: this.#term, excerpt: log.excerpt(n ?? log.end[0]) });
  }

  #count({ to, from, excerpt, term }: MessageOf<'here'>): void {
    if (to === this.#me && this.#election) {
      this.#term = Math.max(this.#term, term);
      this.#election.count(from, excerpt, this.#log?.end);
    }
  }

  // The page.

  /** Goes on with what another member has. It may have been sent some time ago. */
  #adopt(excerpt: Excerpt): void {
    const log = this.#log;
    const known = log ? log.end[0] - excerpt.start[0] : -1;
    if (log && known >= 0 && log.end[1] === termAfter(excerpt, known)) {
      this.#append(excerpt.entries.slice(known));
      this.#tellState();
    } else if (!log?.has(endOf(excerpt))) {
      this.#log = new Log(excerpt);
      this.#following = false;
      this.#place();
    }
  }

  /** Whether the log ends at this place. */
  #ends(place: Place): boolean {
    return this.#log?.end[0] === place[0] && this.#log.has(place);
  }

  /** Finds the page's place in the log, which is a new one. */
  #place(): void {
    const log = this.#log!;
    const { beginning } = log;
    if (this.#own || !(this.#fresh || this.#wantsAll)) {
      this.#meet() || this.#goApart();
    } else if (this.#fresh) {
      this.#follow(log.end[0]);
    } else if (beginning !== undefined && log.takes(this.#page.types, beginning)) {
      this.#follow(beginning);
    } else {
      this.#goApart();
    }
  }

  /** Whether the page has had nothing yet of all that it wants. */
  get #wantsAll(): boolean {
    return !this.#page.id && this.#options.from === 'earliest';
  }

  /** Follows the log if the page's place is in there, and somebody goes on with it. */
  #meet(): boolean {
    const n = this.#channel && !this.#asking ? this.#log?.find(this.#page.id) : undefined;
    if (n === undefined || !this.#log!.takes(this.#page.types, n)) {
      return false;
    }
    this.#follow(n);
    return true;
  }

  #follow(n: number): void {
    const log = this.#log!;
    const own = this.#own;
    this.#own = undefined;
    this.#following = true;
    this.#fresh = false;
    // A page that began where the group was stands there.
    this.#page.id ||= log.id;
    own?.close();
    this.#deliverSince(n);
  }

  #goApart(): void {
    this.#following = false;
    this.#fresh = false;
    if (this.#own || this.#closed) {
      return;
    }
    const own = this.#open(
      { lastEventId: this.#page.id || null },
      this.#page.types,
      () => this.#own,
      (entry) => {
        this.#deliver(entry);
        this.#meet();
      },
    );
    this.#own = own;
    own.start();
  }

  #append(entries: readonly Entry[]): void {
    const log = this.#log!;
    log.append(entries);
    if (!this.#following) {
      this.#own && this.#meet();
      return;
    }
    for (const entry of entries) {
      // What it does not take now it goes for itself.
      if (this.#following) {
        this.#deliver(entry);
      }
    }
  }

  /** Gives the page a word. It may close the stream as it hears it, or want another type. */
  #deliver(entry: Entry): void {
    const [word] = entry;
    if (word[0] === 'state' && word[1] === 'closed' && word[4] !== 'switched-off') {
      this.#end(word);
    } else if (!this.#closed) {
      this.#page.hear(entry);
    }
  }

  /** Gives the page what the log has after `n` words, as long as it follows. */
  #deliverSince(n: number): void {
    for (const entry of this.#log!.since(n)) {
      if (this.#following) {
        this.#deliver(entry);
      }
    }
    this.#tellState();
  }

  /** A page that has just come to the log may not have heard what state that is in. */
  #tellState(): void {
    const state = this.#log?.state;
    if (this.#following && !this.#closed && state) {
      this.#page.tell(state);
    }
  }

  #end(word: StateWord): void {
    if (!this.#closed) {
      this.#closed = true;
      this.#leave();
      const own = this.#own;
      this.#own = undefined;
      own?.close();
      this.#page.tell(word);
    }
  }

  /** Opens a connection. What it has to say after it has been let go is for nobody. */
  #open(
    options: Partial<CheckedOptions>,
    types: Iterable<string>,
    current: () => Connection | undefined,
    say: (entry: Entry) => void,
  ): Connection {
    const term = this.#term;
    const take = (word: Word, id = '') => {
      if (current() === connection) {
        say([word, id || connection.lastEventId(), term]);
      }
    };
    const connection: Connection = this.#connect(
      { ...this.#options, enabled: this.#enabled, ...options },
      { ...inWords(take), bytes: (n) => this.#page.bytes(n) },
    );
    for (const type of types) {
      connection.listen(type);
    }
    this.#fare.tell(connection);
    return connection;
  }

  /** A page that is looked at sees to it that somebody leads. Hidden ones would be woken up for that. */
  #watchLeader(): void {
    this.#host.clearInterval(this.#watch);
    this.#watch = undefined;
    if (this.#channel && !this.#fare.has('hidden')) {
      this.#watch = this.#host.setInterval(() => this.#look(), WATCH_MS);
    }
  }

  #look(): void {
    if (this.#leading) {
      return;
    }
    this.#misses += 1;
    if (this.#misses >= MISSES_UNTIL_STOLEN) {
      this.#misses = 0;
      this.#lock.wait(true);
    } else if (this.#asking) {
      this.#ask();
    } else if (this.#misses >= MISSES_UNTIL_ASKED) {
      this.#post({ kind: 'ping' });
    }
  }
}
