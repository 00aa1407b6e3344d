/** What the hooks of all frameworks have in common. */

import type { EventStreamEventMap, EventStream, EventOf, State, TypeOf } from './index.js';

/** The stream of a hook and its state. */
export interface Link<Events extends object> {
  /** The stream; `null` until there is one. */
  readonly stream: EventStream<Events> | null;
  /** The state of the link; `closed` while there is no stream. */
  readonly state: State;
}

/** Listeners by event type: for what the server publishes and for the stream's own events. */
export type Listeners<Events extends object> = string extends keyof Events
  ? AnyListeners
  : { readonly [Type in TypeOf<Events> | keyof EventStreamEventMap | 'message']?: Listener<EventOf<Events, Type>> };

/** Listeners where the server's types are not named. */
export interface AnyListeners extends Own {
  readonly [type: string]: Listener<any>;
}

type Listener<E> = ((event: E) => unknown) | undefined;
type Own = { readonly [Type in keyof EventStreamEventMap | 'message']?: Listener<EventOf<Record<string, string>, Type>> };

/** Calls for each event of a stream the listener of the moment, whichever that is by then. */
export class Relay {
  #listeners: { readonly [type: string]: Listener<any> } = {};

  constructor(readonly stream: EventTarget) {}

  /** From now on these are the listeners. */
  attach(listeners: object): void {
    this.#listeners = listeners as { readonly [type: string]: Listener<any> };
    for (const type in listeners) {
      // The same object under the same type a second time is no second listener.
      this.stream.addEventListener(type, this);
    }
  }

  handleEvent(event: Event): void {
    this.#listeners[event.type]?.(event);
  }
}
