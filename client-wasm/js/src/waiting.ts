/** Events for those who wait for them: one as a promise, many by `for await`. */

import { type ClosedReason, GapEvent, type StateDetail, type StateEvent } from './events.js';

/** A stream, as far as it matters to those who wait. */
interface Source extends EventTarget {
  readonly readyState: number;
  readonly lastEventId: string;
}

/** What a promise is rejected with when nothing more comes. */
export class StreamClosedError extends Error {
  /** Why nothing more comes; `closed` when the stream had been closed before. */
  readonly code: ClosedReason | 'closed';

  /** @internal */
  constructor(code: ClosedReason | 'closed') {
    super(`heartwire: the stream is closed (${code})`);
    this.code = code;
  }
}

StreamClosedError.prototype.name = 'StreamClosedError';

const CLOSED = 2;

/** The next event of a type. */
export function once(source: Source, type: string, signal: AbortSignal | undefined): Promise<Event> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    if (source.readyState === CLOSED) {
      throw new StreamClosedError('closed');
    }
    const listening = new AbortController();
    const listen = (target: EventTarget | undefined, type: string, act: (event: Event) => void) =>
      target?.addEventListener(
        type,
        (event) => {
          listening.abort();
          act(event);
        },
        { signal: listening.signal },
      );
    listen(source, type, resolve);
    onClosed(source, listening.signal, (reason) => {
      listening.abort();
      reject(new StreamClosedError(reason));
    });
    listen(signal, 'abort', () => reject(signal!.reason));
  });
}

/**
 * The events of some types from now on, and the gaps between them. At most `most` wait to be taken: then the
 * oldest are dropped, which is told as a gap of its own.
 *
 * @param why - The reason of the stream's last state.
 */
export async function* iterate(source: Source, types: Iterable<string>, most: number, why: () => StateDetail['reason']): AsyncGenerator<Event, void, void> {
  const waiting: Event[] = [];
  let place = source.lastEventId;
  let gap: GapEvent | undefined;
  let wake = () => {};
  const take = (event: Event) => {
    // Of a type that is also one of the stream's own, only what was published.
    if (event instanceof MessageEvent || event instanceof GapEvent) {
      waiting.push(event);
      if (waiting.length > most) {
        gap = new GapEvent(gap ? gap.from : place || null, placeOf(waiting.shift()!), 'lagged');
      }
      wake();
    }
  };
  const listening = new AbortController();
  const { signal } = listening;
  for (const type of new Set([...types, 'gap'])) {
    source.addEventListener(type, take, { signal });
  }
  onClosed(source, signal, () => wake());
  try {
    for (;;) {
      const next = gap ?? waiting.shift();
      const reason = why();
      if (next) {
        gap = undefined;
        place = placeOf(next);
        yield next;
      } else if (reason === 'gave-up' || reason === 'no-webassembly') {
        throw new StreamClosedError(reason);
      } else if (source.readyState === CLOSED) {
        return;
      } else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  } finally {
    listening.abort();
  }
}

/** Where a reader stands who was given this event. */
const placeOf = (event: Event): string => (event instanceof GapEvent ? event.to : (event as MessageEvent).lastEventId);

function onClosed(source: Source, signal: AbortSignal, act: (reason: ClosedReason) => void): void {
  source.addEventListener(
    'state',
    (event) => {
      // An event that the server published under this type has neither.
      const { state, reason } = event as StateEvent;
      if (state === 'closed') {
        act(reason as ClosedReason);
      }
    },
    { signal },
  );
}
