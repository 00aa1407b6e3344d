/**
 * A stream for as long as a Svelte component is there. Svelte 4 and later.
 *
 * @packageDocumentation
 */

import { onMount } from 'svelte';
import { type Readable, writable } from 'svelte/store';
import type { Link, Listeners } from './hook.js';
import { EventStream, type EventStreamOptions } from './index.js';

export type { AnyListeners, Link, Listeners } from './hook.js';

/**
 * Opens a stream when the component has been mounted, and closes it when the component goes. Nothing is opened on a
 * server. To be called while the component is made, as `onMount` is.
 *
 * @typeParam Events - As for `EventStream`.
 * @param url - The address, or a store of it: with each new one a new stream is opened. `null` opens nothing, and
 * closes what was open.
 * @param listeners - By event type.
 * @param options - As for `EventStream`, or a function that makes them for each stream.
 * @returns A store of the stream and its state.
 * @throws {TypeError} When mounting: an option makes no sense.
 *
 * @example
 * ```html
 * <script>
 *   import { useEventStream } from 'heartwire/svelte';
 *   const { id } = $props();
 *   let percent = $state(0);
 *   const link = useEventStream('/events', { progress: ({ data }) => (percent = data.percent) }, { topics: `download-${id}`, parse: 'json' });
 * </script>
 * <progress max="100" value={percent} title={$link.state}></progress>
 * ```
 */
export function useEventStream<Events extends object = Record<string, string>>(
  url: string | URL | null | undefined | Readable<string | URL | null | undefined>,
  listeners: Listeners<NoInfer<Events>>,
  options?: EventStreamOptions<Events> | (() => EventStreamOptions<Events>),
): Readable<Link<Events>> {
  const link = writable<Link<Events>>({ stream: null, state: 'closed' });
  onMount(() => {
    let stream: EventStream<Events> | undefined;
    const open = (address: string | URL | null | undefined) => {
      stream?.close();
      stream = undefined;
      if (address) {
        const opened = new EventStream<Events>(address, typeof options === 'function' ? options() : options);
        stream = opened;
        const show = () => {
          // Closed from within its own listener, a stream says so when the next one is there already.
          if (!stream || stream === opened) {
            link.set({ stream: opened, state: opened.state });
          }
        };
        opened.addEventListener('state', show);
        show();
        for (const [type, listener] of Object.entries(listeners)) {
          opened.addEventListener(type as 'open', listener as () => void);
        }
      }
    };
    const store = url as Readable<string> | undefined;
    const stop = store?.subscribe ? store.subscribe(open) : open(url as string);
    return () => {
      stop?.();
      stream?.close();
    };
  });
  return link;
}
