/**
 * What those see who look after a stream: its debug log and its metrics. Both are listeners like any other, so
 * what a function of the page throws breaks nothing.
 */

import { GapEvent, HeartbeatEvent, StateEvent, StreamErrorEvent } from './events.js';
import type { Metrics } from './metrics.js';
import type { CheckedOptions } from './options.js';

/**
 * Begins to tell what the options ask for.
 *
 * @param listen - Adds a listener, without asking for events of that type.
 * @param url - The address of the stream, whose query stays out of the log.
 */
export function watch(
  { debug, metrics }: CheckedOptions,
  listen: (type: string, listener: (event: Event) => void) => void,
  url: string,
  measure: () => Metrics,
): void {
  if (debug) {
    const write = debug === true ? console.debug : debug;
    const tell = (event: Event) => {
      const [what, detail] = described(event) ?? [];
      if (what) {
        write(`heartwire: ${what}`, { url: url.replace(/\?.*/, ''), ...detail });
      }
    };
    for (const type of ['state', 'error', 'gap']) {
      listen(type, tell);
    }
  }
  if (metrics) {
    const report = metrics === true ? (now: Metrics) => console.debug('heartwire: metrics', now) : metrics;
    const tell = (event: Event) => {
      if (event instanceof StateEvent || event instanceof HeartbeatEvent) {
        report(measure());
      }
    };
    listen('state', tell);
    listen('heartbeat', tell);
  }
}

/** An event of the stream's own; one that was published under such a type is a payload, and stays out. */
function described(event: Event): [what: string, detail: object] | undefined {
  if (event instanceof StateEvent) {
    const { state, attempt, delay, reason } = event;
    return [state, { attempt, delay, reason }];
  }
  if (event instanceof StreamErrorEvent) {
    const { code, message, status } = event;
    return ['error', { code, message, status }];
  }
  if (event instanceof GapEvent) {
    const { from, to, reason } = event;
    return ['gap', { from, to, reason }];
  }
  return undefined;
}
