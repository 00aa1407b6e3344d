// A real server in this very process, that does what a test tells it.
import { createServer } from 'node:http';

/** An event as it stands in a stream; control data are given as objects. */
export const event = (type, data, id) =>
  `event: ${type}\n${id === undefined ? '' : `id: ${id}\n`}data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`;

/** How a stream begins. */
export const hello = (id = 'a-0', more = {}) =>
  event('connected', { protocol: 1, heartbeat_interval_ms: 30_000, resumed: false, time_ms: 1, ...more }, id);

/**
 * Starts a server. `respond(request, response, number)` answers each request, with `request.path` and
 * `request.query`; a number of 1 is the first.
 */
export async function serve(respond) {
  const requests = [];
  const waiting = [];
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url, 'http://hub.test');
    Object.assign(request, { path: pathname, query: searchParams, response });
    request.gone = new Promise((resolve) => response.once('close', resolve));
    requests.push(request);
    for (const look of waiting) {
      look();
    }
    respond(request, response, requests.length);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${server.address().port}`;
  return {
    origin,
    url: `${origin}/events`,
    requests,
    /** The streams, without polls and questions after the health. */
    streams: () => requests.filter(({ path }) => path === '/events'),
    /** How many streams are open right now. */
    open: () => requests.filter(({ path, response }) => path === '/events' && !response.closed).length,
    /** The request of this number, as soon as it has come. */
    request: (number) =>
      new Promise((resolve) => {
        const look = () => number <= requests.length && resolve(requests[number - 1]);
        waiting.push(look);
        look();
      }),
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Accepts a stream. */
export function accept(response, ...texts) {
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
  response.write(':\n\n');
  for (const text of texts) {
    response.write(text);
  }
}

/** Refuses, or answers, with JSON. */
export function reply(response, status, body, headers = {}) {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
}
