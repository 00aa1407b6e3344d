/**
 * A stream for as long as a React component is there. React 18 and later.
 *
 * @packageDocumentation
 */

import { useEffect, useRef, useState } from 'react';
import { type Link, type Listeners, Relay } from './hook.js';
import { EventStream, type EventStreamOptions } from './index.js';

export type { AnyListeners, Link, Listeners } from './hook.js';

/**
 * Opens a stream when the component has been mounted, and closes it when the component goes. Nothing is opened on a
 * server, and under StrictMode only one stream.
 *
 * @typeParam Events - As for `EventStream`.
 * @param url - The address. `null` opens nothing, and closes what was open.
 * @param listeners - By event type. Those of the last render are called, so they need no `useCallback`.
 * @param options - As for `EventStream`. A new stream is opened when the address or the options change, as JSON
 * tells. Functions, the `signal` and validators are those of the render that opened it.
 * @returns The stream and its state: the component renders again with each change.
 * @throws {TypeError} Into the nearest error boundary: an option makes no sense.
 *
 * @example
 * ```tsx
 * function Download({ id }: { id: string }) {
 *   const [percent, setPercent] = useState(0);
 *   const { state } = useEventStream<{ progress: { percent: number } }>(
 *     '/events',
 *     { progress: ({ data }) => setPercent(data.percent) },
 *     { topics: `download-${id}`, parse: 'json' },
 *   );
 *   return <progress max={100} value={percent} title={state} />;
 * }
 * ```
 */
export function useEventStream<Events extends object = Record<string, string>>(
  url: string | URL | null | undefined,
  listeners: Listeners<NoInfer<Events>>,
  options?: EventStreamOptions<Events>,
): Link<Events> {
  const [link, setLink] = useState<Link<Events>>({ stream: null, state: 'closed' });
  const relay = useRef<Relay>(null);
  const address = url && String(url);

  useEffect(() => {
    if (!address) {
      return;
    }
    const stream = new EventStream<Events>(address, options);
    const show = () => setLink({ stream, state: stream.state });
    stream.addEventListener('state', show);
    show();
    relay.current = new Relay(stream);
    return () => stream.close();
    // A validator need not have a JSON, and may be a ring.
  }, [address, JSON.stringify(options, (name, value) => (name === 'validate' ? '' : value))]);

  // After every render, and after the one above.
  useEffect(() => {
    relay.current?.attach(listeners);
  });

  return link;
}
