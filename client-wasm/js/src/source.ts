/**
 * One browser `EventSource` with its listeners. It decides nothing; in particular it does not outlive its first
 * error, since the driver closes it there: reconnecting belongs to the machine alone.
 */

/** What ends the type of a compressed event. */
export const FRAME_SUFFIX = '+gzip';

const CONTROL_TYPES = ['connected', 'heartbeat', 'gap', 'expiring', 'closing'];

/** Takes what comes from a stream. */
export interface Ear {
  /** The server has accepted the stream. */
  opened(): void;
  /** The stream was refused, cut, or came to its end. A browser does not tell which. */
  lost(): void;
  /** An event of the server's own. */
  control(event: MessageEvent): void;
  /** An event for the page. */
  event(event: MessageEvent): void;
  /** A compressed event for the page. */
  frame(event: MessageEvent): void;
}

/** Opens a stream; `frames` says whether compressed events were asked for. Throws where there is no `EventSource`. */
export function openSource(url: string, withCredentials: boolean, frames: boolean, ear: Ear) {
  const source = new EventSource(url, { withCredentials });

  // One function for all types, which a target takes once for each.
  const hear = (event: Event) => {
    const { type } = event;
    if (!(event instanceof MessageEvent)) {
      // The browser's own, and not published under these types.
      (type === 'open' ? ear.opened : ear.lost)();
    } else if (CONTROL_TYPES.includes(type)) {
      ear.control(event);
    } else if (frames && type.endsWith(FRAME_SUFFIX)) {
      ear.frame(event);
    } else {
      ear.event(event);
    }
  };
  const add = (type: string) => source.addEventListener(type, hear);
  ['open', 'error', ...CONTROL_TYPES].forEach(add);

  return {
    /** From now on events of this type are heard, too. */
    listen(type: string) {
      add(type);
      if (frames && !CONTROL_TYPES.includes(type)) {
        add(type + FRAME_SUFFIX);
      }
    },
    close: () => source.close(),
  };
}
