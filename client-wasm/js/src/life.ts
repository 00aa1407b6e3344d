/** What happens to a page, reported as it happens. Nothing is decided here. */

/**
 * - `offline`, `online`: the network went, or came.
 * - `paused`: the page is put aside, for good or for the back-forward cache, or frozen.
 * - `woke`: it came back from there.
 * - `hidden`, `shown`: it is not looked at, or it is.
 */
export type Life = 'offline' | 'online' | 'paused' | 'woke' | 'hidden' | 'shown';

/** What ends what. */
const OPPOSITES: { readonly [What in Life]: Life } = {
  offline: 'online',
  online: 'offline',
  paused: 'woke',
  woke: 'paused',
  hidden: 'shown',
  shown: 'hidden',
};

/** How a page fares: what whoever comes later has to be told. */
export class Fare {
  readonly #lately = new Set<Life>();

  note(what: Life): void {
    this.#lately.delete(OPPOSITES[what]);
    this.#lately.add(what);
  }

  has(what: Life): boolean {
    return this.#lately.has(what);
  }

  tell(connection: { life?(what: Life): void }): void {
    this.#lately.forEach((what) => connection.life?.(what));
  }
}

/** This machine can be reached without any network. */
const LOOPBACK = /^(localhost|.+\.localhost|127(\.\d+){3}|\[::1\])$/;

/**
 * Reports until `signal` is aborted, beginning with what is not as usual. A host that has no such events, as Node,
 * has nothing to report.
 *
 * @param url - The address of the stream.
 */
export function watchLife(url: string, report: (what: Life) => void, signal: AbortSignal): void {
  const { document, navigator } = globalThis;
  // Not with the option `signal`: some hosts, as jsdom, have two kinds of signals and know but one of them.
  const on = (target: EventTarget | undefined, type: string, act: (event: Event) => void) => {
    target?.addEventListener?.(type, act);
    signal.addEventListener('abort', () => target?.removeEventListener?.(type, act));
  };
  const visibility = () => report(document.visibilityState === 'hidden' ? 'hidden' : 'shown');

  if (!LOOPBACK.test(new URL(url).hostname)) {
    on(globalThis, 'offline', () => report('offline'));
    on(globalThis, 'online', () => report('online'));
    if (navigator?.onLine === false) {
      report('offline');
    }
  }
  // A listener for `unload` would keep the page out of the back-forward cache; these do not.
  on(globalThis, 'pagehide', () => report('paused'));
  on(globalThis, 'pageshow', (event) => (event as PageTransitionEvent).persisted && report('woke'));
  on(document, 'freeze', () => report('paused'));
  on(document, 'resume', () => report('woke'));
  on(document, 'visibilitychange', visibility);
  if (document?.visibilityState === 'hidden') {
    report('hidden');
  }
}
