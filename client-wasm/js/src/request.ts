/**
 * The requests of a connection: streams over `fetch`, polls, and questions after the server's health. Each
 * has the page's headers and a fresh token. Nothing is decided here, nor understood: the bytes of a stream
 * and the end of every request go to the connection that asked.
 */

import type { Connection, Sink } from './engine.js';
import type { CheckedOptions } from './options.js';

/** [spec] The MIME type of a stream; its parameters do not matter. */
const STREAM_TYPE = /^text\/event-stream\s*(;|$)/i;

/** [spec] RFC 9110, "Retry-After": so many seconds, or a date. NaN when it is neither. */
const secondsUntil = (moment: string): number => Number(moment) || Math.max(0, Date.parse(moment) - Date.now()) / 1_000;

/**
 * What a {@link Sink} sends requests with.
 *
 * @param hear - Takes what comes back.
 * @param fail - Tells that a request cannot be made at all.
 */
export function sender(
  { headers, token, method, body, withCredentials, lastEventIdHeader }: CheckedOptions,
  hear: Required<Pick<Connection, 'chunk' | 'done'>>,
  fail: (code: string, message: string) => void,
): Sink['send'] {
  const send = async (link: number, address: URL, stream: boolean, signal: AbortSignal) => {
    // Of what the page has to say, a failure is worth an event of its own.
    const ask = async <T>(name: string, callback: () => T) => {
      try {
        return await callback();
      } catch (failure) {
        if (!signal.aborted) {
          fail(`${name}-failed`, `the ${name} cannot be had`);
        }
        throw failure;
      }
    };
    let status = 0;
    let retryAfter = NaN;
    let answer: unknown;
    try {
      const sent = await ask('headers', async () => new Headers(typeof headers === 'function' ? await headers() : headers));
      await ask('token', async () => {
        const bearer = await token?.();
        if (bearer) {
          sent.set('authorization', `Bearer ${bearer}`);
        }
      });
      const { searchParams: query, origin } = address;
      const id = query.get('last_event_id');
      if (stream) {
        // A server of ours would refuse whoever takes nothing else by a stream that ends, and not by a status.
        sent.set('accept', 'text/event-stream, application/json');
        if (lastEventIdHeader && id) {
          query.delete('last_event_id');
          // [spec] The id is encoded as UTF-8; a header takes bytes as characters.
          sent.set('last-event-id', String.fromCharCode(...new TextEncoder().encode(id)));
        }
      }
      const response = await fetch(address, {
        ...(stream && { method, body }),
        headers: sent,
        credentials: withCredentials ? 'include' : 'same-origin',
        cache: 'no-store',
        signal,
      } as RequestInit);
      status = response.status;
      retryAfter = secondsUntil(response.headers.get('retry-after') ?? '');
      const here = !response.redirected || new URL(response.url).origin === origin;
      if (!stream) {
        answer = here && (await response.json());
      } else if (!response.ok) {
        answer = await response.json();
      } else if (status === 200 && here && STREAM_TYPE.test(response.headers.get('content-type') ?? '')) {
        status = 0;
        // Pulled: while the page is busy, nothing piles up on this side.
        const reader = response.body!.getReader();
        for (let piece; !signal.aborted && !(piece = await reader.read()).done; ) {
          hear.chunk(link, piece.value);
        }
      }
    } catch {
      // What there is of an answer says it all.
    }
    hear.done(link, status, retryAfter, answer);
  };

  return (link, url, stream) => {
    const controller = new AbortController();
    void send(link, new URL(url), stream, controller.signal);
    return controller;
  };
}
