/** The three addresses of a server: the stream, the poll beside it and the question after its health. */

import { Resume } from './border.js';

/**
 * The parameters that belong to the machine and not to the URL it is given. A poll refuses `frames`, a stream
 * `wait`, and a second resume point would compete with the machine's own.
 */
const OWN_PARAMETERS = ['last_event_id', 'from', 'frames', 'cursor', 'wait'];

/** What follows from the address of a stream as the page gave it. `frames` asks the server for compressed events. */
export function addresses(url: string, frames: boolean) {
  const given = new URL(url);
  const query = given.searchParams;
  const lastEventId = query.get('last_event_id') ?? '';
  const from = query.get('from');
  for (const name of OWN_PARAMETERS) {
    query.delete(name);
  }

  const below = (segment: string) => {
    const address = new URL(given);
    address.pathname = address.pathname.replace(/\/?$/, `/${segment}`);
    return address;
  };
  const beginning = (address: URL, parameter: string, resume: Resume, id: string) => {
    if (resume === Resume.Earliest) {
      address.searchParams.set('from', 'earliest');
    } else if (resume === Resume.After) {
      address.searchParams.set(parameter, id);
    }
    return address;
  };

  return {
    /** Where the URL says to begin, should the options not say it. */
    resume: lastEventId ? Resume.After : from === 'earliest' ? Resume.Earliest : Resume.Live,
    lastEventId,

    stream(resume: Resume, id: string) {
      const address = new URL(given);
      if (frames) {
        address.searchParams.set('frames', 'gzip');
      }
      return beginning(address, 'last_event_id', resume, id).href;
    },

    poll(resume: Resume, id: string, wait: number) {
      const address = beginning(below('poll'), 'cursor', resume, id);
      address.searchParams.set('wait', String(wait));
      return address.href;
    },

    health() {
      const address = below('health');
      const clientId = address.searchParams.get('client_id');
      address.search = '';
      // A server that streams to a part of its clients answers each what holds for it.
      if (clientId) {
        address.searchParams.set('client_id', clientId);
      }
      return address.href;
    },
  };
}
