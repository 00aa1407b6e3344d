// The clients, each as its own papers say: opens `url`, gives the data of each event of the type `token` to `take`, and
// returns what ends it.
import { fetchEventSource } from '@microsoft/fetch-event-source';
import { HttpTransportType, HubConnectionBuilder, LogLevel } from '@microsoft/signalr';
import { Centrifuge } from 'centrifuge';
import { EventSourcePolyfill } from 'event-source-polyfill';
import { EventSource as EventSourceByFetch } from 'eventsource';
import { EventStream } from 'heartwire';
import ReconnectingEventSource from 'reconnecting-eventsource';
import { io } from 'socket.io-client';
import { SSE } from 'sse.js';

/** Whatever looks like an EventSource. */
const like = (make) => (url, take) => {
  const source = make(url);
  source.addEventListener('token', ({ data }) => take(data));
  return () => source.close();
};

const ours = (transport) => like((url) => new EventStream(url, { transport }));

/** Those of event streams, by what they read with. */
export const STREAMS = {
  fetch: {
    heartwire: ours('fetch'),
    eventsource: like((url) => new EventSourceByFetch(url)),
    '@microsoft/fetch-event-source': (url, take) => {
      const controller = new AbortController();
      const { signal } = controller;
      void fetchEventSource(url, { openWhenHidden: true, signal, onmessage: ({ event, data }) => event === 'token' && take(data) });
      return () => controller.abort();
    },
    'event-source-polyfill': like((url) => new EventSourcePolyfill(url)),
  },
  EventSource: {
    heartwire: ours('eventsource'),
    EventSource: like((url) => new EventSource(url)),
    'reconnecting-eventsource': like((url) => new ReconnectingEventSource(url)),
  },
  XMLHttpRequest: {
    'sse.js': like((url) => new SSE(url)),
  },
};

/** Those with a protocol of their own. They give the page what they made of the JSON. */
export const SOCKETS = {
  '@microsoft/signalr': (take) => {
    const transport = { transport: HttpTransportType.WebSockets, skipNegotiation: true };
    const hub = new HubConnectionBuilder().withUrl('http://memory.test/signalr', transport).configureLogging(LogLevel.None).build();
    hub.on('token', take);
    void hub.start();
    return () => hub.stop();
  },
  'socket.io-client': (take) => {
    const socket = io('http://memory.test', { path: '/socket.io', transports: ['websocket'], forceNew: true });
    socket.on('token', take);
    return () => socket.disconnect();
  },
  centrifuge: (take) => {
    const centrifuge = new Centrifuge('ws://memory.test/centrifuge');
    const subscription = centrifuge.newSubscription('token');
    subscription.on('publication', ({ data }) => take(data));
    subscription.subscribe();
    centrifuge.connect();
    return () => centrifuge.disconnect();
  },
};
