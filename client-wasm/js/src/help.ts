/**
 * What the codes of a stream's errors mean, and what to do about them. A module of its own: only a page that shows
 * or logs the sentences loads them.
 *
 * @packageDocumentation
 */

import type { StreamErrorCode } from './events.js';

const HELP: { readonly [code: string]: string } = {
  refused:
    'The server could not be reached or refused the stream; over fetch, whatever is not an event stream counts as refused. It is tried again. Look at the status, and whether the address is that of a stream.',
  'connect-timeout':
    'Nothing came within connectTimeout. It is tried again, then polled for. A proxy on the way may hold the bytes back: it must not buffer.',
  cut: 'The link was cut, or the server ended the stream without a word. It is opened again after the last event; nothing is lost.',
  silent:
    'Nothing was heard for longer than heartbeatTimeout. The stream is opened again. If that happens often, the server has no heartbeat, or a proxy holds it back.',
  slept:
    'The machine slept, or the page was frozen or put aside, and the link has not outlived that. It is opened again after the last event.',
  offline: 'The network was gone, and the link has not outlived that. It is opened again when the network is back.',
  draining: 'The server is shutting down, and said when to come back.',
  rotated: 'The stream has reached the longest life that the server gives it. The next one is opened at once.',
  lagged: 'This page was too slow for the stream. It is opened again, and what is gone is told by a gap.',
  'token-expired': 'The token of this stream has expired. Over fetch, the token option is asked for a fresh one.',
  disabled: 'Streaming was switched off at the server. The page polls until it is on again.',
  'too-many-connections': 'The server holds as many streams as it may. It is tried again when the server says.',
  'too-many-from-address': 'The address of this client holds as many streams as one may. It is tried again when the server says; pages can share one stream.',
  'too-many-of-identity': 'Whoever is logged in here holds as many streams as one may. It is tried again when the server says; pages can share one stream.',
  'too-many-requests': 'This client asks too often. It is tried again when the server says.',
  'no-room-for-topic': 'The server keeps as many topics as it may. It is tried again when the server says.',
  unknown: 'The server ended the stream for a reason that this version does not know. It is opened again.',
  'poll-failed': 'A poll was not answered. It is tried again.',
  crashed:
    'The WebAssembly failed, which it never should: a report with what the console says of it is welcome. A new instance of it goes on after the last event.',
  'gave-up': 'As many tries as maxReconnectAttempts allows have failed, and the stream is closed. Make a new one to try again.',
  stopped: 'The server answered 204, which means: stop. The stream is closed.',
  'no-webassembly':
    "The WebAssembly cannot be loaded, and only with it can streams go by fetch. Does the content security policy allow 'wasm-unsafe-eval'?",
  'bad-frame': 'A compressed event could not be opened and is lost; the stream goes on. It may open to more than maxFrameBytes.',
  'bad-control': 'A control event of the server made no sense and was ignored. Is it a Heartwire server, of the same version?',
  'bad-answer': 'The answer to a poll made no sense. Is there a Heartwire server at /poll below the address?',
  'event-too-long': 'An event over fetch was longer than 32 MiB, and the stream was given up. It is opened again.',
  'token-failed': 'The token option threw or rejected. The attempt counts as lost, and is made again.',
  'headers-failed': 'The headers option threw or rejected, or gave what is no header. The attempt counts as lost, and is made again.',
  'parse-failed': 'The data of an event are not what parse expects. The event is lost; the stream goes on. The cause says what was thrown.',
  'invalid-data': 'A validator refused the data of an event. The event is lost; the stream goes on. The cause says why.',
};

/**
 * What a code means and what to do about it, in one or two sentences.
 *
 * @param code - The `code` of a `StreamErrorEvent`.
 * @returns For a code that this version does not know, such as a refusal of a server's own: that its message tells.
 */
export function help(code: StreamErrorCode): string {
  return Object.hasOwn(HELP, code) ? HELP[code]! : `The server refused, and gave "${code}" as the reason; the message of the event says more.`;
}
