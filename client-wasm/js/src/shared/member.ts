/**
 * One stream of a page in its group: all streams of this browser with the same address, options and identity.
 *
 * The member that holds the group's lock leads: it has the one connection to the server, and says to the others
 * whatever comes by it. Every member keeps what was said lately in its {@link Log}; how its page goes along with that is
 * told in `page.ts`. Leading has nothing to do with it: the page of a leader hears the leader's words like any other.
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
import type { Entry, Place } from './log.js';
import type { Message, MessageOf } from './messages.js';
import { type Group, Page } from './page.js';
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

export class Member implements Connection, Group {
  readonly #me = `${Date.now()}-${Math.random()}`;
  readonly #name: string;
  readonly #options: CheckedOptions;
  readonly #page: Page;
  readonly #lock: Lock;
  readonly #connect: Connect;
  readonly #host: Host;

  #enabled: boolean;
  #closed = false;
  readonly #fare = new Fare();

  /** The highest term that was heard of. */
  #term = 0;
  #election: Election | undefined;
  /** The connection for the group, while this member leads. */
  #upstream: Connection | undefined;
  /** What was said and not yet sent. */
  #unsent: Entry[] = [];
  #unsentAfter: Place | undefined;

  /** Whether there were ever others. */
  #hasCompany = false;
  #channel: BroadcastChannel | undefined;
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
    this.#connect = connect;
    this.#host = host;
    this.#enabled = options.enabled ?? true;
    this.#page = new Page(this, listener, options);
    const holder: Holder = {
      granted: () => void this.#lead(),
      stolen: () => {
        this.#standDown();
        this.#lock.wait();
        this.#ask();
      },
      refused: () => {
        this.#leave();
        this.#page.goApart();
      },
    };
    this.#lock = lock(holder, this.#page);
  }

  // What the page asks for.

  start(): void {
    if (this.#enabled) {
      this.#join();
    } else {
      this.#page.goApart();
    }
  }

  listen(type: string): void {
    this.#page.types.add(type);
    this.#page.own?.listen(type);
    if (!this.#channel) {
      return;
    }
    this.#take([type]);
    if (!this.#upstream && this.#page.lacks([type])) {
      // The leader has not taken these events. Until it does, this page takes them itself.
      this.#page.goApart();
    }
    this.#post({ kind: 'want', types: [type] });
  }

  setEnabled(enabled: boolean): void {
    if (this.#enabled === enabled || this.#closed) {
      return;
    }
    this.#enabled = enabled;
    this.#page.own?.setEnabled(enabled);
    if (enabled) {
      this.#join();
    } else {
      this.#leave();
      this.#page.goApart();
    }
  }

  close(): void {
    this.end(['state', 'closed', 0, 0, 'by-page', null, '']);
  }

  end(word: StateWord): void {
    if (!this.#closed) {
      this.#closed = true;
      this.#leave();
      this.#page.close();
      this.#page.tell(word);
    }
  }

  /** Whether it is over: the page wants no more, or the server has ended it for the whole group. */
  get closed(): boolean {
    return this.#closed;
  }

  lastEventId(): string {
    return this.#page.id;
  }

  counters(): ArrayLike<number> {
    return (this.#upstream ?? this.#page.own)?.counters() ?? [];
  }

  get counts() {
    return this.#page.counts;
  }

  life(what: Life): void {
    this.#page.own?.life?.(what);
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

  // The group, whoever leads it.

  /** Whether this member leads, or is about to. */
  get #leads(): boolean {
    return Boolean(this.#upstream ?? this.#election);
  }

  #join(): void {
    if (this.#channel) {
      return;
    }
    this.#channel = new this.#host.BroadcastChannel(this.#name);
    this.#channel.onmessage = ({ data }) => this.#hear(data as Message);
    if (this.#page.lacks(this.#page.types)) {
      // A page that was put aside may have wanted more on its way, and nobody has heard of that.
      this.#page.goApart();
    }
    this.#lock.wait();
    this.#ask();
    this.#watchLeader();
  }

  #leave(): void {
    this.#standDown();
    this.#lock.giveUp();
    this.#channel?.close();
    this.#channel = undefined;
    this.#page.inTouch = false;
    this.#watchLeader();
  }

  #ask(): void {
    if (!this.#leads) {
      this.#page.inTouch = false;
      const { place, id, wantsAll: earliest, types } = this.#page;
      this.#post({ kind: 'ask', from: this.#me, place, id, earliest, types: [...types] });
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
          this.#page.inTouch = true;
          this.#page.adopt(message.excerpt);
        }
        break;
      case 'words':
        if (this.#isOfLeader(message.term)) {
          if (this.#page.log?.endsAt(message.after)) {
            this.#page.append(message.entries);
          } else if (this.#page.inTouch) {
            this.#ask();
          }
        }
        break;
      case 'lead': {
        this.#depose();
        // What was asked of the leader before this one is never answered.
        this.#page.inTouch = true;
        const { place, from } = message;
        const { log } = this.#page;
        const excerpt = log?.excerpt(place && log.has(place) ? place[0] : log.end[0]);
        this.#post({ kind: 'here', to: from, from: this.#me, excerpt, term: this.#term });
        break;
      }
      case 'here':
        this.#count(message);
        break;
      case 'want':
        this.#take(message.types);
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
      this.#page.inTouch = true;
      if (this.#page.own) {
        // Perhaps for types that the leader before this one never took.
        this.#post({ kind: 'want', types: [...this.#page.types] });
      }
    }
    this.#misses = 0;
    return true;
  }

  /** A page that is looked at sees to it that somebody leads. Hidden ones would be woken up for that. */
  #watchLeader(): void {
    const isWatching = Boolean(this.#channel) && !this.#fare.has('hidden');
    this.#host.clearInterval(this.#watch);
    this.#watch = isWatching ? this.#host.setInterval(() => this.#look(), WATCH_MS) : undefined;
    // What nobody asked for while it was hidden is not missed.
    this.#misses = 0;
    this.#lock.watch?.(isWatching);
  }

  #look(): void {
    this.#misses = this.#leads ? 0 : this.#misses + 1;
    if (this.#misses >= MISSES_UNTIL_STOLEN) {
      this.#misses = 0;
      this.#lock.wait(true);
    } else if (!this.#page.inTouch) {
      this.#ask();
    } else if (this.#misses >= MISSES_UNTIL_ASKED) {
      this.#post({ kind: 'ping' });
    }
  }

  open(
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

  // The group, as its leader.

  /** The lock is this member's. */
  async #lead(): Promise<void> {
    this.#post({ kind: 'lead', from: this.#me, place: this.#page.log?.end });
    // Each member but this one waits for the lock.
    const election = elect(this.#lock.nWaiting(), this.#host.setTimeout);
    this.#election = election;
    const most = await election.result;
    if (this.#election !== election) {
      return;
    }
    this.#page.inTouch = true;
    // Later than any that was heard of, and than any of which all have gone; and nobody else's.
    this.#term = Math.max(this.#term + 1, Date.now() + Math.random());
    if (most) {
      this.#page.adopt(most);
    }
    // A listener may have closed the stream as it heard that, or thrown the switch.
    if (this.#election === election) {
      this.#election = undefined;
      this.#takeOver();
    }
  }

  /** Somebody has said how much it has heard. */
  #count({ to, from, excerpt, term }: MessageOf<'here'>): void {
    if (to === this.#me && this.#election) {
      this.#term = Math.max(this.#term, term);
      this.#election.count(from, excerpt, this.#page.log?.end);
    }
  }

  #takeOver(): void {
    // Without a log nobody was here. With one, where a group has no resume point yet, it has heard nothing.
    const from = this.#page.log && ({ from: 'live' } as const);
    const log = this.#page.log ?? this.#page.begin(this.#term);
    const upstream = this.open(
      { ...from, lastEventId: log.id || null },
      log.types,
      () => this.#upstream,
      (entry) => this.#say(entry),
    );
    this.#upstream = upstream;
    // Firefox breaks off scripts of a page that is about to go, in the middle of an event, and lets the next one come
    // as if nothing had been. So who has company hands over before that, and queues up again, should the page stay.
    this.#host.addEventListener?.('beforeunload', this.#handOver);
    this.#take(this.#page.types);
    upstream.start();
    this.#page.settle();
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
    if (this.#leads) {
      this.#standDown();
      this.#lock.wait();
    }
  }

  readonly #handOver = (): void => {
    if (this.#hasCompany) {
      this.#depose();
    }
  };

  /** If it leads, it takes these types from now on. */
  #take(types: Iterable<string>): void {
    const upstream = this.#upstream;
    const log = this.#page.log;
    const news = upstream && log ? [...types].filter((type) => !log.knows(type)) : [];
    if (news.length) {
      news.forEach((type) => upstream!.listen(type));
      this.#say([['types', news], log!.id, this.#term]);
    }
  }

  /** If it leads, it tells somebody what that lacks. */
  #answer({ from, place, id, earliest, types }: MessageOf<'ask'>): void {
    const log = this.#page.log;
    if (!this.#upstream || !log) {
      return;
    }
    this.#take(types);
    // So that what comes after the answer follows on it.
    this.#send();
    const n = place && log.has(place) ? place[0] : (log.find(id) ?? (earliest ? log.beginning : undefined));
    this.#post({ kind: 'tell', to: from, term: this.#term, excerpt: log.excerpt(n ?? log.end[0]) });
  }

  /** Says a word to all, this page included. */
  #say(entry: Entry): void {
    if (!this.#unsent.length) {
      this.#unsentAfter = this.#page.log!.end;
      // What comes at once goes at once.
      queueMicrotask(() => this.#send());
    }
    this.#unsent.push(entry);
    this.#page.append([entry]);
  }

  #send(): void {
    const entries = this.#unsent;
    this.#unsent = [];
    if (entries.length) {
      this.#post({ kind: 'words', term: this.#term, after: this.#unsentAfter!, entries });
    }
  }
}
