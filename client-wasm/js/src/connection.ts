/**
 * A connection to the server that works at once, and outlives the instance of the WebAssembly that it runs in: what is
 * asked of it while there is none is remembered. It sends the requests of its engine.
 *
 * A trap, which should never be, leaves an instance in no state to go on with: another one goes on after the last event.
 */

import { isRefusal } from './answers.js';
import { driver } from './driver.js';
import type { Connection, Engine, Sink } from './engine.js';
import type { ClosedReason } from './events.js';
import { Fare } from './life.js';
import { load } from './load.js';
import type { CheckedOptions } from './options.js';
import { sender } from './request.js';

/** What a connection has for whoever made it. */
export type Listener = Pick<Sink, 'deliver' | 'heartbeat' | 'gap' | 'expiring'> & {
  /** `status`: that of the HTTP answer that is the reason, where there was one. `message`: what the server says about it. */
  state(...state: [...Parameters<Sink['state']>, status: number | null, message: string]): void;
  error(code: string, message: string, status: number | null): void;
  /** So many bytes of a stream came, over fetch. */
  bytes?(n: number): void;
};

export function connect(url: string, options: CheckedOptions, listener: Listener): Connection {
  const { baseReconnectDelay = 1_000, maxReconnectDelay = 30_000 } = options;
  let { enabled = true, lastEventId } = options;
  /** `undefined` until an engine is loaded, between two of them, and at the end. */
  let connection: Connection | undefined;
  let counters: ArrayLike<number> = [];
  let started = false;
  /** The page wants no more. */
  let closing = false;
  let closed = false;
  let crashes = 0;
  const types = new Set<string>();
  const fare = new Fare();
  /** The HTTP status of the answer that is being taken in, and the answer. */
  let status: number | null = null;
  let said: unknown;

  const hear: Parameters<typeof sender>[1] = {
    chunk: (link, bytes) => {
      listener.bytes?.(bytes.length);
      connection?.chunk?.(link, bytes);
    },
    done: (link, answered, retryAfter, answer) => {
      status = answered || null;
      said = answer;
      connection?.done?.(link, answered, retryAfter, answer);
      status = null;
      said = undefined;
    },
  };
  const error = (code: string, message: string) => listener.error(code, message, status);
  const sink: Sink = {
    ...listener,
    state: (state, attempt, delay, reason) => {
      if (state === 'closed' && reason !== 'switched-off') {
        closed = true;
        // The engine has to go, and the memory of its instance, though the page may hold the stream for long.
        if (connection) {
          lastEventId = connection.lastEventId();
          counters = connection.counters();
          connection = undefined;
        }
      }
      listener.state(state, attempt, delay, reason, status, isRefusal(said) && said.code === reason ? said.detail : '');
    },
    error,
    send: sender(options, hear, error),
  };

  const begin = (engine: Engine) => {
    if (closed) {
      return;
    }
    const made = engine(url, { ...options, enabled, lastEventId }, sink);
    connection = made;
    types.forEach((type) => made.listen(type));
    fare.tell(made);
    if (started) {
      made.start();
    }
  };

  const broke = (resumeAt: string, failure: unknown) => {
    connection = undefined;
    if (closing) {
      close();
      return;
    }
    console.error('heartwire: the WebAssembly failed, and is made anew', failure);
    lastEventId = resumeAt || lastEventId;
    // Should it be an event that is too much for the WebAssembly, it will be so again.
    const delay = Math.min(baseReconnectDelay * 2 ** crashes, maxReconnectDelay) * (0.5 + Math.random() / 2);
    crashes += 1;
    sink.state('waiting', crashes, delay, 'crashed');
    setTimeout(() => void run((failed) => broke('', failed)), delay);
  };

  const close = () => {
    closing = true;
    if (connection) {
      connection.close();
    } else {
      end('by-page');
    }
  };

  const end = (reason: ClosedReason) => closed || sink.state('closed', 0, 0, reason);

  const run = (failed: (failure: unknown) => void) => load(() => closed).then((instance) => instance && begin(driver(instance, broke)), failed);

  void run((failure) => {
    if (options.fetch) {
      end('no-webassembly');
    } else {
      warn(failure);
      void import('./pass-through.js').then(({ passThrough }) => begin(passThrough), () => end('no-webassembly'));
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
    close,
    lastEventId: () => connection?.lastEventId() ?? lastEventId ?? '',
    counters: () => connection?.counters() ?? counters,
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
