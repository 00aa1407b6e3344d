/** The options of a stream and their checks. Unknown names are refused, since a misspelt option would do nothing. */

import type { Metrics } from './metrics.js';
import type { TypeOf, Validator } from './types.js';

/**
 * How a stream behaves. All are optional; spans are in milliseconds. The defaults suit a page on the open internet.
 *
 * @typeParam Events - The data of the events that the server publishes, by type.
 */
export interface EventStreamOptions<Events extends object = Record<string, string>> {
  /** The topics to read, added to the URL as `topic=`. Default: those that the URL names. */
  topics?: string | readonly string[] | undefined;
  /**
   * The types of events that are taken from the stream from its begin, and that `for await` gives. Types with a
   * listener are taken in any case; what is of no such type is passed over. Default: `message` for `for await`, else none.
   */
  types?: NoInfer<TypeOf<Events>> | readonly NoInfer<TypeOf<Events>>[] | undefined;
  /**
   * What makes the data of an event out of their text: `'json'` or a function, which is also told the type. When
   * it throws, that is an `error` event with code `parse-failed` in the event's stead. Default: the data are the text.
   */
  parse?: 'json' | ((text: string, type: string) => unknown) | undefined;
  /**
   * By event type, what looks at the data before the page does: a function or a Standard Schema. What it returns is
   * what the page gets; when it throws or finds issues, that is an `error` event with code `invalid-data` in the
   * event's stead. It works on what {@link parse} made. Asynchronous ones are refused like bad data. Default: none.
   */
  validate?: { readonly [Type in keyof Events]?: Validator<Events[Type]> | undefined } | undefined;
  /**
   * How many events may wait for a `for await` loop that does not keep up. At the limit the oldest are dropped, and
   * the loop is told by a `GapEvent` with the reason `lagged`. A whole number from 1. Default 1,000.
   */
  maxWaitingEvents?: number | undefined;
  /** A name for this client, sent as `client_id` with every stream and poll, for the server's logs. 1 to 128 characters. Default: none. */
  clientId?: string | undefined;
  /** `false` polls and never opens a stream. Can be changed at any time: {@link EventStream.enabled}. Default `true`. */
  enabled?: boolean | undefined;
  /** Whether polling may stand in where a stream is switched off or does not get through. Default `true`; never in `heartwire/lean`. */
  polling?: boolean | undefined;
  /** Begin after the event with this id, such as one that was kept over a reload. Default: see {@link from}. */
  lastEventId?: string | null | undefined;
  /** Where to begin without a `lastEventId`: with what is published from now on, or with all that the server still has. Default `live`. */
  from?: 'live' | 'earliest' | undefined;
  /** Whether cookies go to another origin, as with `EventSource`. Default `false`. */
  withCredentials?: boolean | undefined;
  /**
   * What brings a stream: the host's own `EventSource`, or `fetch`. Both bring the same events and promises;
   * over fetch the HTTP status, `Retry-After` and any byte as a sign of life are seen as well.
   * Default: `fetch` where an option below asks for it or the host has no `EventSource`, else `eventsource`.
   */
  transport?: 'eventsource' | 'fetch' | undefined;
  /**
   * Headers for every request: streams, polls and questions after the server's health. A function is called
   * before each of them; when it throws or rejects, that is an `error` event with code `headers-failed`, and the
   * attempt is lost. It has `connectTimeout` to answer. Streams go by fetch. Default: none.
   */
  headers?: HeadersInit | (() => HeadersInit | Promise<HeadersInit>) | undefined;
  /**
   * Called before every request for a token, which is sent as `Authorization: Bearer`; an empty one is not sent.
   * When it throws or rejects, that is an `error` event with code `token-failed`, and the attempt is lost.
   * It has `connectTimeout` to answer. A stream whose token expires soon is replaced by one with a fresh token, so the
   * callback is called then, too. Streams go by fetch. Default: none.
   */
  token?: (() => string | Promise<string>) | undefined;
  /**
   * The method of the request for a stream, which goes by fetch. With any but `GET` there is no polling, which
   * could not carry the {@link body}: the stream alone is tried again. Default: `POST` with a body, else `GET`.
   */
  method?: string | undefined;
  /**
   * The body of the request for a stream, which goes by fetch. It is sent with each try, also when the server has
   * ended the stream in good order: close the stream at its last event, or let the server answer 204, unless
   * that is wanted. Its `content-type` is as with `fetch`, unless {@link headers} has one. Default: none.
   */
  body?: string | Blob | ArrayBuffer | ArrayBufferView<ArrayBuffer> | FormData | URLSearchParams | undefined;
  /**
   * Sends the resume point of a stream as `Last-Event-ID`, as `EventSource` does, and not as `last_event_id` in the
   * query. For servers that know the header alone: to another origin it costs a preflight. Streams go by fetch.
   * Default `false`.
   */
  lastEventIdHeader?: boolean | undefined;
  /**
   * Keeps the resume point in `sessionStorage` under the URL with its topics, so that a stream goes on over a reload
   * of its page. A `lastEventId` that is given wins. Default: it is forgotten with the page.
   */
  persist?: 'session' | undefined;
  /**
   * Whether all tabs of this browser have one stream between them: those whose streams have the same URL, topics,
   * options and {@link identity}. Needs Web Locks, thus a secure context, or a `SharedWorker`, to which no function can
   * be sent: without Web Locks each tab has its own stream when there is a `token` or `headers` are a function. Not with
   * a `method` or a `body`. Default `false`.
   */
  shared?: boolean | undefined;
  /**
   * Whose rights the stream has, such as a user's id: streams of different identities are never {@link shared}.
   * Scripts of this origin can read it. It must be given when streams with `headers` or a `token` are shared.
   * Default: whoever the cookies belong to.
   */
  identity?: string | undefined;
  /** Whether the server may compress large events one by one. They arrive opened. Default `true`. */
  compression?: boolean | undefined;
  /**
   * The longest silence on an open stream; then it counts as lost. At least 10; `Infinity` bears any silence.
   * Default `null`: one and a half of the server's heartbeat interval, so 45,000 for one of 30 s.
   */
  heartbeatTimeout?: number | null | undefined;
  /** How long a stream may take from the first try to its first event, and a request beyond its `pollWait`. At least 10. Default 15,000. */
  connectTimeout?: number | undefined;
  /** The longest delay before the first try to reconnect; it doubles with each try. The real delay is drawn between a tenth of it and the whole. At least 10. Default 1,000. */
  baseReconnectDelay?: number | undefined;
  /** The longest delay before any try to reconnect, unless the server asks for more (it gets ten minutes at most). At least 10. Default 30,000. */
  maxReconnectDelay?: number | undefined;
  /** Give up after so many failed tries in a row. A whole number from 0. Default `Infinity`: never. */
  maxReconnectAttempts?: number | undefined;
  /** A link that was heard for this long is healthy: tries are counted afresh after it. Default 10,000. */
  healthyAfter?: number | undefined;
  /** The least time between the starts of two polls. At least 10. Default 2,000. */
  pollInterval?: number | undefined;
  /** How long the server may hold back a poll until there is something to tell. From 0 to 30,000. Default 25,000. */
  pollWait?: number | undefined;
  /** While polling: how often to look whether a stream works again. At least 10. Default 30,000. */
  probeInterval?: number | undefined;
  /** The most bytes that one compressed event may open to; a larger one is an `error` event with code `bad-frame`. From 1 to 1 GiB. Default 16,777,216 (16 MiB). */
  maxFrameBytes?: number | undefined;
  /** Closes the stream when it is aborted. */
  signal?: AbortSignal | undefined;
  /**
   * Is called with fresh metrics at each change of state and each heartbeat; `true` writes them to the console by
   * `console.debug`. They are counted in any case: {@link EventStream.metrics}. Default `false`.
   */
  metrics?: boolean | ((metrics: Metrics) => void) | undefined;
  /**
   * Is called with a line and its details at each change of state, error and gap; `true` writes them to the console
   * by `console.debug`, which Chrome shows at the level "Verbose". Never a payload, nor the query of the URL. Default `false`.
   */
  debug?: boolean | ((line: string, detail: object) => void) | undefined;
}

/** Options that are known to make sense. What is absent has its default, which the engine knows. */
export type CheckedOptions = Omit<EventStreamOptions<Record<string, unknown>>, 'topics' | 'types'> & {
  readonly topics: readonly string[];
  readonly types: readonly string[];
  /** Whether streams go by fetch. */
  readonly fetch: boolean;
  /** Whether each stream is opened with a fresh token. */
  readonly renewsToken: boolean;
};

/** What an option must be, in words for the error, and whether a value is that. */
interface Rule {
  readonly must: string;
  readonly holds: (value: unknown) => boolean;
}

const LONGEST_WAIT = 30_000;
const MOST_FRAME_BYTES = 2 ** 30;
// A stream that is tried again after less is a way to take a server down.
const SHORTEST_SPAN = 10;

const isNumber = (value: unknown): value is number => typeof value === 'number';
const isWhole = (value: unknown, least: number, most: number) =>
  Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most;
const isText = (value: unknown) => typeof value === 'string' && value !== '';

const isHeaders = (value: unknown) => {
  try {
    return typeof value === 'object' && value !== null && Boolean(new Headers(value as HeadersInit));
  } catch {
    return false;
  }
};
const isGet = (method: string) => /^get$/i.test(method);

const isFunction = (value: unknown) => typeof value === 'function';
/** A schema may be a function or an object; what matters is what it has. */
const isValidator = (value: unknown) =>
  isFunction(value) || isFunction((value as { '~standard'?: { validate?: unknown } } | null | undefined)?.['~standard']?.validate);

declare const LEAN: boolean;

const flag: Rule = { must: 'be true or false', holds: (value) => typeof value === 'boolean' };
const lacking: Rule = { must: 'be false, since heartwire/lean has neither polling nor shared streams', holds: (value) => value === false };
const span = (least: number, most = Number.MAX_SAFE_INTEGER): Rule => ({
  must: `be a number of milliseconds, at least ${least}${most === LONGEST_WAIT ? ` and at most ${most}` : ''}`,
  holds: (value) => isNumber(value) && value >= least && value <= most,
});

const flagOrFunction: Rule = {
  must: 'be true, false or a function',
  holds: (value) => flag.holds(value) || isFunction(value),
};
const textOrTexts = (what: string): Rule => ({
  must: `be ${what} or an array of them`,
  holds: (value) => isText(value) || (Array.isArray(value) && value.every(isText)),
});

const RULES: { readonly [Name in keyof Required<EventStreamOptions>]: Rule } = {
  topics: textOrTexts('a topic'),
  types: textOrTexts('an event type'),
  parse: { must: "be 'json' or a function", holds: (value) => value === 'json' || isFunction(value) },
  validate: {
    must: 'be an object with a function or a Standard Schema by event type',
    holds: (value) =>
      typeof value === 'object' && value !== null && Object.values(value).every((one) => one === undefined || isValidator(one)),
  },
  maxWaitingEvents: {
    must: 'be a whole number, at least 1',
    holds: (value) => isWhole(value, 1, Number.MAX_SAFE_INTEGER),
  },
  clientId: { must: 'be a text of 1 to 128 characters', holds: (value) => isText(value) && (value as string).length <= 128 },
  enabled: flag,
  polling: LEAN ? lacking : flag,
  lastEventId: { must: 'be an event id or null', holds: (value) => value === null || typeof value === 'string' },
  from: { must: "be 'live' or 'earliest'", holds: (value) => value === 'live' || value === 'earliest' },
  withCredentials: flag,
  transport: {
    must: "be 'eventsource' or 'fetch'",
    holds: (value) => value === 'eventsource' || value === 'fetch',
  },
  headers: {
    must: 'be an object with names and values of headers, or a function',
    holds: (value) => isFunction(value) || isHeaders(value),
  },
  token: { must: 'be a function', holds: isFunction },
  method: { must: 'be an HTTP method', holds: (value) => typeof value === 'string' && /^[a-z]+$/i.test(value) },
  body: {
    must: 'be a body that can be sent more than once',
    holds: (value) =>
      typeof value === 'string' ||
      ArrayBuffer.isView(value) ||
      [ArrayBuffer, Blob, FormData, URLSearchParams].some((kind) => value instanceof kind),
  },
  lastEventIdHeader: flag,
  persist: { must: "be 'session'", holds: (value) => value === 'session' },
  shared: LEAN ? lacking : flag,
  identity: { must: 'be a text', holds: (value) => typeof value === 'string' },
  compression: flag,
  heartbeatTimeout: {
    must: `be a number of milliseconds, at least ${SHORTEST_SPAN}, or Infinity, or null`,
    holds: (value) => value === null || (isNumber(value) && value >= SHORTEST_SPAN),
  },
  connectTimeout: span(SHORTEST_SPAN),
  baseReconnectDelay: span(SHORTEST_SPAN),
  maxReconnectDelay: span(SHORTEST_SPAN),
  maxReconnectAttempts: {
    must: 'be a whole number, at least 0, or Infinity',
    holds: (value) => value === Infinity || isWhole(value, 0, Number.MAX_SAFE_INTEGER),
  },
  healthyAfter: span(0),
  pollInterval: span(SHORTEST_SPAN),
  pollWait: span(0, LONGEST_WAIT),
  probeInterval: span(SHORTEST_SPAN),
  maxFrameBytes: {
    must: `be a whole number of bytes, at least 1 and at most ${MOST_FRAME_BYTES}`,
    holds: (value) => isWhole(value, 1, MOST_FRAME_BYTES),
  },
  signal: { must: 'be an AbortSignal', holds: (value) => value instanceof AbortSignal },
  metrics: flagOrFunction,
  debug: flagOrFunction,
};

const refused = (name: string, must: string) => new TypeError(`heartwire: option "${name}" must ${must}`);

/**
 * Checks the options.
 *
 * @throws {TypeError} An option has the wrong type, is out of range, or is unknown. The message names it.
 */
export function check<Events extends object>(options: EventStreamOptions<Events> = {}): CheckedOptions {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new TypeError('heartwire: the options must be an object');
  }
  // An option that is undefined is as good as absent, so that `{ topics: maybe }` works.
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  for (const [name, value] of given) {
    if (!Object.hasOwn(RULES, name)) {
      throw new TypeError(`heartwire: there is no option "${name}"`);
    }
    const { must, holds } = RULES[name as keyof EventStreamOptions];
    if (!holds(value)) {
      throw refused(name, must);
    }
  }
  const { transport, headers, token, body, method = body === undefined ? 'GET' : 'POST', lastEventIdHeader } = options;
  const needsFetch = Boolean(headers || token || lastEventIdHeader) || body !== undefined || !isGet(method);
  if (needsFetch && transport === 'eventsource') {
    throw refused('transport', "be 'fetch', which alone has headers, a token and a body");
  }
  if (body !== undefined && isGet(method)) {
    throw refused('body', 'not come with the method GET');
  }
  if (options.shared && (body !== undefined || !isGet(method))) {
    throw refused('shared', 'not come with a method or a body, whose answer is for one stream');
  }
  if (options.shared && (headers || token) && options.identity === undefined) {
    throw refused('identity', 'say whose headers or token a shared stream has');
  }
  return {
    ...Object.fromEntries(given),
    method,
    polling: !LEAN && (options.polling ?? true) && isGet(method),
    // A body would be sent once more, in the middle of what it asked for.
    renewsToken: isGet(method) && Boolean(token || typeof headers === 'function'),
    fetch: needsFetch || transport === 'fetch' || (!transport && typeof EventSource === 'undefined'),
    topics: [options.topics ?? []].flat(),
    types: [options.types ?? []].flat(),
  };
}
