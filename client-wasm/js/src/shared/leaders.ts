/**
 * The leaders in the worker, one for each group that a page wants led. A leader is a member without a page: it holds the
 * group's connection and says what comes by it, and when it has to begin, it asks the pages how much they have heard.
 * So it can go with the last page, or die, like any other leader.
 */

import { watchLife } from '../life.js';
import type { CheckedOptions } from '../options.js';
import { type Connect, type Host, Member } from './member.js';

declare const VERSION: string;

/** What a page wants of the worker. Everything in here can be cloned. */
export interface Mandate {
  /** The group's. */
  readonly name: string;
  readonly url: string;
  /** Those of the connection, and where the group begins when there is none yet. */
  readonly options: CheckedOptions;
  /** The types that are taken from the begin. */
  readonly types: readonly string[];
  /** The WebAssembly: the worker has none of its own. */
  readonly wasm: BufferSource;
}

interface Group {
  readonly leader: Member;
  readonly pages: Set<MessagePort>;
  /** Aborted when the last page has gone. */
  readonly end: AbortController;
}

export class Leaders {
  readonly #groups = new Map<string, Group>();
  readonly #connect: (mandate: Mandate) => Connect;
  readonly #address: string;
  readonly #host: Host;

  /**
   * @param connect - What makes the connections of a group.
   * @param address - The worker's.
   */
  constructor(connect: (mandate: Mandate) => Connect, address: string, host: Host = globalThis) {
    this.#connect = connect;
    this.#address = address;
    this.#host = host;
  }

  /** A page has called. It says what it wants, asks whether anybody is here, and says `null` when it goes. */
  hear(page: MessagePort): void {
    let leave = () => {};
    page.onmessage = ({ data }: MessageEvent<Mandate | 'alive?' | null>) => {
      if (data === 'alive?') {
        page.postMessage('yes');
        return;
      }
      leave();
      leave = data ? this.#enter(page, data) : leave;
    };
    // A page that crashed does not say so, and few browsers do: elsewhere its place is kept for as long as the worker lives.
    page.addEventListener('close', () => leave());
    page.postMessage([VERSION, this.#address]);
  }

  /** The second time what it returns does nothing. */
  #enter(page: MessagePort, mandate: Mandate): () => void {
    const { name } = mandate;
    let group = this.#groups.get(name);
    // The server may have ended the whole group. Whoever comes then begins another one.
    if (group && !group.leader.closed) {
      group.pages.add(page);
    } else {
      group = this.#begin(mandate, new Set([page]));
      this.#groups.set(name, group);
    }
    const { pages, leader, end } = group;
    return () => {
      if (pages.delete(page) && !pages.size) {
        leader.close();
        end.abort();
        if (this.#groups.get(name)?.leader === leader) {
          this.#groups.delete(name);
        }
      }
    };
  }

  #begin(mandate: Mandate, pages: Set<MessagePort>): Group {
    const { name, url, options, types } = mandate;
    const end = new AbortController();
    const leader = new Member(
      name,
      options,
      undefined,
      this.#connect(mandate),
      (holder) => ({
        wait: () => holder.granted(),
        giveUp: () => {},
        nWaiting: async () => pages.size,
      }),
      this.#host,
    );
    types.forEach((type) => leader.listen(type));
    watchLife(url, (what) => leader.life(what), end.signal);
    leader.start();
    return { leader, pages, end };
  }
}
