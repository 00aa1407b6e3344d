/**
 * A stream for as long as a Vue component, or any other scope, is there. Vue 3.3 and later.
 *
 * @packageDocumentation
 */

import { type MaybeRefOrGetter, type ShallowRef, shallowRef, toValue, watchPostEffect } from 'vue';
import type { Listeners } from './hook.js';
import { EventStream, type EventStreamOptions, type State } from './index.js';

export type { AnyListeners, Listeners } from './hook.js';

/** The stream of a component and its state. */
export interface Link<Events extends object> {
  /** The stream; `null` until there is one. */
  readonly stream: Readonly<ShallowRef<EventStream<Events> | null>>;
  /** The state of the link; `closed` while there is no stream. */
  readonly state: Readonly<ShallowRef<State>>;
}

/**
 * Opens a stream when the component has been mounted, and closes it when the component or the scope goes. Nothing is
 * opened on a server.
 *
 * @typeParam Events - As for `EventStream`.
 * @param url - The address, a ref of it or a getter. `null` opens nothing, and closes what was open.
 * @param listeners - By event type.
 * @param options - As for `EventStream`, a ref of them or a getter. A new stream is opened when the address or the
 * options change.
 * @returns The stream and its state, as refs.
 * @throws {TypeError} As any effect of Vue throws, into `onErrorCaptured`: an option makes no sense.
 *
 * @example
 * ```ts
 * const percent = ref(0);
 * const { state } = useEventStream<{ progress: { percent: number } }>(
 *   '/events',
 *   { progress: ({ data }) => (percent.value = data.percent) },
 *   () => ({ topics: `download-${props.id}`, parse: 'json' }),
 * );
 * ```
 */
export function useEventStream<Events extends object = Record<string, string>>(
  url: MaybeRefOrGetter<string | URL | null | undefined>,
  listeners: Listeners<NoInfer<Events>>,
  options?: MaybeRefOrGetter<EventStreamOptions<Events> | undefined>,
): Link<Events> {
  const stream = shallowRef<EventStream<Events> | null>(null);
  const state = shallowRef<State>('closed');
  // After mounting, and never on a server: that is what `post` means to Vue.
  watchPostEffect((onCleanup) => {
    const address = toValue(url);
    if (!address) {
      return;
    }
    const opened = new EventStream<Events>(address, toValue(options));
    opened.addEventListener('state', () => {
      state.value = opened.state;
    });
    state.value = opened.state;
    stream.value = opened;
    for (const [type, listener] of Object.entries(listeners)) {
      opened.addEventListener(type as 'open', listener as () => void);
    }
    onCleanup(() => opened.close());
  });
  return { stream, state };
}
