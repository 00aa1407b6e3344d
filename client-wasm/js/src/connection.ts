/**
 * A connection to the server that works at once: what is asked of it before its engine is loaded is remembered.
 * It sends the requests of its engine.
 */

import type { Connection, Engine, Sink } from './engine.js';
import { Fare } from './life.js';
import { load } from './load.js';
import type { CheckedOptions } from './options.js';
import { passThrough } from './pass-through.js';
import { sender } from './request.js';

/** What a connection has for whoever made it. */
export type Listener = Pick<Sink, 'forward' | 'deliver' | 'heartbeat' | 'gap' | 'expiring'> & {
  /** `status`: that of the HTTP answer that is the reason, where there was one. */
  state(...state: [...Parameters<Sink['state']>, status: number | null]): void;
  error(code: string, message: string, status: number | null): void;
  /** So many bytes of a stream came, over fetch. */
  bytes?(n: number): void;
};

export function connect(url: string, options: CheckedOptions, listener: Listener): Connection {
  let connection: Connection | undefined;
  let closed = false;
  let started = false;
  let enabled = options.enabled ?? true;
  const types = new Set<string>();
  const fare = new Fare();
  /** The HTTP status of the answer that is being taken in. */
  let status: number | null = null;

  const hear: Parameters<typeof sender>[1] = {
    chunk: (link, bytes) => {
      listener.bytes?.(bytes.length);
      connection?.chunk?.(link, bytes);
    },
    done: (link, answered, retryAfter, answer) => {
      status = answered || null;
      connection?.done?.(link, answered, retryAfter, answer);
      status = null;
    },
  };
  const error = (code: string, message: string) => listener.error(code, message, status);
  const sink: Sink = {
    ...listener,
    state: (state, attempt, delay, reason) => {
      if (state === 'closed' && reason !== 'switched-off') {
        connection &&= epitaph(connection);
      }
      listener.state(state, attempt, delay, reason, status);
    },
    error,
    send: sender(options, hear, error),
  };

  const begin = (engine: Engine) => {
    if (closed) {
      return;
    }
    const made = engine(url, options, sink);
    connection = made;
    types.forEach((type) => made.listen(type));
    fare.tell(made);
    made.setEnabled(enabled);
    if (started) {
      made.start();
    }
  };
  load().then(begin, (failure: unknown) => {
    if (options.fetch) {
      listener.state('closed', 0, 0, 'no-webassembly', null);
    } else {
      warn(failure);
      begin(passThrough);
    }
  });

  return {
    start() {
      started = true;
      connection?.start();
    },
    listen(type) {
      types.add(type);
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
        listener.state('closed', 0, 0, 'by-page', null);
      }
    },
    lastEventId: () => connection?.lastEventId() ?? options.lastEventId ?? '',
    counters: () => connection?.counters() ?? [],
  };
}

/**
 * What stands for a connection that is over for good. The connection itself has to go: it holds its listener
 * from within WebAssembly, where the garbage collector does not see that the two hold but each other.
 */
function epitaph(connection: Connection): Connection {
  const lastEventId = connection.lastEventId();
  const counters = connection.counters();
  const nothing = () => {};
  return {
    start: nothing,
    listen: nothing,
    setEnabled: nothing,
    close: nothing,
    lastEventId: () => lastEventId,
    counters: () => counters,
  };
}

let warned = false;

function warn(failure: unknown): void {
  if (!warned) {
    warned = true;
    console.warn(
      'heartwire: the WebAssembly cannot be loaded, so the browser\'s own EventSource does the work: no silence limit, no polling. ' +
        "Does the content security policy allow 'wasm-unsafe-eval'?",
      failure,
    );
  }
}
