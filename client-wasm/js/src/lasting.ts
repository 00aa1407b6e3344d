/**
 * A connection that outlives the instance of the WebAssembly that it runs in. A trap, which should never be, leaves an
 * instance in no state to go on with: another one goes on after the last event.
 */

import type { Exports } from './border.js';
import { driver } from './driver.js';
import type { Connection, Engine } from './engine.js';
import { Fare } from './life.js';

/**
 * @param first - The instance to begin with.
 * @param another - Makes a fresh one.
 */
export const lasting =
  (first: Exports, another: () => Promise<Exports>): Engine =>
  (url, options, sink) => {
    const { baseReconnectDelay = 1_000, maxReconnectDelay = 30_000 } = options;
    const types: string[] = [];
    const fare = new Fare();
    let { enabled, lastEventId } = options;
    let crashes = 0;
    let closed = false;
    /** `undefined` between two instances. */
    let connection: Connection | undefined;

    const open = (instance: Exports) => {
      connection = driver(instance, broke)(url, { ...options, enabled, lastEventId }, sink);
      types.forEach(connection.listen);
      fare.tell(connection);
    };

    const broke = (resumeAt: string, failure: unknown) => {
      connection = undefined;
      if (closed) {
        sink.state('closed', 0, 0, 'by-page');
        return;
      }
      console.error('heartwire: the WebAssembly failed, and is made anew', failure);
      lastEventId = resumeAt || lastEventId;
      // Should it be an event that is too much for the WebAssembly, it will be so again.
      const delay = Math.min(baseReconnectDelay * 2 ** crashes, maxReconnectDelay) * (0.5 + Math.random() / 2);
      crashes += 1;
      sink.state('waiting', crashes, delay, 'crashed');
      setTimeout(revive, delay);
    };

    const revive = () =>
      another().then(
        (instance) => {
          if (!closed) {
            open(instance);
            connection?.start();
          }
        },
        (failure: unknown) => broke('', failure),
      );

    open(first);
    return {
      start: () => connection?.start(),
      listen(type) {
        types.push(type);
        connection?.listen(type);
      },
      setEnabled(next) {
        enabled = next;
        connection?.setEnabled(next);
      },
      life(what) {
        fare.note(what);
        connection?.life?.(what);
      },
      close() {
        closed = true;
        if (connection) {
          connection.close();
        } else {
          sink.state('closed', 0, 0, 'by-page');
        }
      },
      chunk: (link, bytes) => connection?.chunk?.(link, bytes),
      done: (link, status, retryAfter, answer) => connection?.done?.(link, status, retryAfter, answer),
      lastEventId: () => connection?.lastEventId() ?? lastEventId ?? '',
      counters: () => connection?.counters() ?? [],
    };
  };
