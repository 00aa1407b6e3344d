/**
 * What is left without WebAssembly: the browser's own `EventSource`, which reconnects as it likes. Gaps
 * are told and the switch closes it; no silence limit, no polling, no compression, no delays of our own.
 */

import type { Engine } from './engine.js';
import type { ClosedReason } from './events.js';

export const passThrough: Engine = (url, options, sink) => {
  const types = new Set<string>();
  let source: EventSource | undefined;
  let started = false;
  let enabled = options.enabled ?? true;
  let lastId = options.lastEventId ?? '';

  const follow = (event: MessageEvent) => {
    lastId = event.lastEventId || lastId;
  };

  const hear = (event: Event) => {
    // A plain `open` or `error` is the browser's own; with a payload it was published.
    if (event instanceof MessageEvent) {
      follow(event);
      sink.deliver(event.type, event.data, event.lastEventId, event.origin);
    }
  };

  const hearGap = (event: MessageEvent<string>) => {
    follow(event);
    try {
      const gap = JSON.parse(event.data);
      lastId = event.lastEventId || gap.to;
      sink.gap(gap.from ?? undefined, gap.to, gap.reason);
    } catch {
      sink.error('bad-control', 'the gap cannot be read');
    }
  };

  const hearExpiring = (event: MessageEvent<string>) => {
    follow(event);
    try {
      sink.expiring(JSON.parse(event.data).expires_in_ms);
    } catch {
      sink.error('bad-control', 'the end of the token cannot be read');
    }
  };

  const close = (reason: ClosedReason) => {
    source?.close();
    source = undefined;
    sink.state('closed', 0, 0, reason);
  };

  const open = () => {
    if (!started || source) {
      return;
    }
    if (!enabled) {
      close('switched-off');
      return;
    }
    const address = new URL(url);
    if (lastId) {
      address.searchParams.set('last_event_id', lastId);
    } else if (options.from === 'earliest') {
      address.searchParams.set('from', 'earliest');
    }
    try {
      source = new EventSource(address, { withCredentials: options.withCredentials ?? false });
    } catch {
      close('gave-up');
      return;
    }
    const mine = source;
    sink.state('connecting', 0, 0, undefined);
    mine.addEventListener('open', () => sink.state('open', 0, 0, undefined));
    mine.addEventListener('error', (event) => {
      if (event instanceof MessageEvent) {
        return;
      }
      if (mine.readyState === EventSource.CLOSED) {
        close('gave-up');
      } else {
        sink.state('connecting', 1, 0, undefined);
        sink.error('cut', '');
      }
    });
    // On a quiet topic these alone tell the place, from which the next stream must go on.
    mine.addEventListener('connected', follow);
    mine.addEventListener('heartbeat', follow);
    mine.addEventListener('gap', hearGap);
    mine.addEventListener('expiring', hearExpiring);
    for (const type of types) {
      mine.addEventListener(type, hear);
    }
  };

  return {
    start() {
      started = true;
      open();
    },
    listen(type) {
      if (!/^(gap|heartbeat|expiring)$/.test(type)) {
        types.add(type);
        source?.addEventListener(type, hear);
      }
    },
    setEnabled(next) {
      if (enabled !== next) {
        enabled = next;
        if (next) {
          open();
        } else {
          close('switched-off');
        }
      }
    },
    close: () => close('by-page'),
    lastEventId: () => lastId,
    counters: () => [],
  };
};
