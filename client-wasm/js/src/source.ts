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
  control: Hear;
  /** An event for the page. */
  event: Hear;
  /** A compressed event for the page. */
  frame: Hear;
}

type Hear = (type: string, data: string, lastEventId: string, origin: string) => void;

/** Opens a stream; `frames` says whether compressed events were asked for. Throws where there is no `EventSource`. */
export function openSource(url: string, withCredentials: boolean, frames: boolean, ear: Ear) {
  const source = new EventSource(url, { withCredentials });
  const heard = new Set<string>();
  /** [spec] That of the address where the stream was found: the same for all its events. */
  let origin: string | undefined;

  // Each member of an event takes a browser as long as the WebAssembly takes for all of it: none is read twice.
  const add = (type: string, hear: Hear, own?: () => void) => {
    if (!heard.has(type)) {
      heard.add(type);
      source.addEventListener(type, (event) => {
        if (own && !(event instanceof MessageEvent)) {
          // The browser's own, and not published under these types.
          own();
        } else {
          hear(type, event.data, event.lastEventId, (origin ??= event.origin as string));
        }
      });
    }
  };
  add('open', ear.event, ear.opened);
  add('error', ear.event, ear.lost);
  CONTROL_TYPES.forEach((type) => add(type, ear.control));

  return {
    /** From now on events of this type are heard, too. */
    listen(type: string) {
      add(type, frames && type.endsWith(FRAME_SUFFIX) ? ear.frame : ear.event);
      if (frames && !CONTROL_TYPES.includes(type)) {
        add(type + FRAME_SUFFIX, ear.frame);
      }
    },
    close: () => source.close(),
  };
}
