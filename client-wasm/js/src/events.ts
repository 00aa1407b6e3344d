/**
 * What a page can be told besides the server's own events. Each kind has a class, so that
 * `event instanceof StateEvent` tells it from an event which the server published under the same
 * type: those are always a `MessageEvent`.
 */

/** The state of the link. `waiting` is between two tries; `polling` means that events come by polling. */
export type State = 'connecting' | 'open' | 'waiting' | 'polling' | 'closed';

/**
 * How a link was lost.
 *
 * - `refused`: the server could not be reached, or refused the stream. Over fetch that includes whatever is
 *   not a stream: another content type, or a redirect to another origin.
 * - `connect-timeout`: nothing came within `connectTimeout`.
 * - `cut`: the link was cut, or the server ended it without a word.
 * - `silent`: nothing was heard for longer than `heartbeatTimeout`.
 * - `slept`: the machine slept, or the page was frozen or put aside, and the link has not outlived that.
 * - `offline`: the network was gone, and the link has not outlived that.
 * - `draining`, `rotated`, `lagged`, `token-expired`, `disabled`: the server ended the stream and said why;
 *   `unknown` when it gave a reason that this version does not know.
 * - `too-many-connections`: the server holds as many streams as it may; `too-many-from-address`,
 *   `too-many-of-identity`: those of this client are as many as one may have; `too-many-requests`: it asks too
 *   often; `no-room-for-topic`: the server keeps as many topics as it may. It tries again when the server says.
 * - `poll-failed`: polls fail.
 * - `crashed`: the WebAssembly failed, which it never should. A new instance of it goes on after the last event.
 */
export type LossReason =
  | 'refused'
  | 'connect-timeout'
  | 'cut'
  | 'silent'
  | 'slept'
  | 'offline'
  | 'draining'
  | 'rotated'
  | 'lagged'
  | 'token-expired'
  | 'disabled'
  | 'too-many-connections'
  | 'too-many-from-address'
  | 'too-many-of-identity'
  | 'too-many-requests'
  | 'no-room-for-topic'
  | 'unknown'
  | 'poll-failed'
  | 'crashed';

/**
 * Why events come by polling.
 *
 * - `switched-off`: `enabled` is `false`.
 * - `server-disabled`: the server has streaming switched off.
 * - `stream-blocked`: streams do not get through, though the server is there.
 */
export type PollReason = 'switched-off' | 'server-disabled' | 'stream-blocked';

/**
 * Why nothing more comes.
 *
 * - `by-page`: `close()` was called, or the `signal` was aborted.
 * - `gave-up`: `maxReconnectAttempts` were used up.
 * - `stopped`: the server told the client to stop.
 * - `switched-off`: `enabled` is `false` and so is `polling`. Setting `enabled` opens the link again.
 * - `no-webassembly`: the WebAssembly cannot be loaded, and what the options ask for, or a host without an
 *   `EventSource`, needs fetch. Without such an option the browser's own `EventSource` stands in.
 */
export type ClosedReason = 'by-page' | 'gave-up' | 'stopped' | 'switched-off' | 'no-webassembly';

/** What a {@link StateEvent} tells. */
export interface StateDetail {
  /** As {@link StateEvent.state}. */
  readonly state: State;
  /** As {@link StateEvent.attempt}. */
  readonly attempt: number;
  /** As {@link StateEvent.delay}. */
  readonly delay: number;
  /** As {@link StateEvent.reason}. */
  readonly reason: LossReason | PollReason | ClosedReason | null;
}

/** The link is in another state. Dispatched under the type `state`. */
export class StateEvent extends Event implements StateDetail {
  /** The new state. */
  readonly state: State;
  /**
   * Which try in a row this is. In `connecting`: 0 for the first one and after a healthy link, then 1, 2, …
   * In `waiting`: the number of the try that comes next. Otherwise 0.
   */
  readonly attempt: number;
  /** In `waiting`: how long it takes until the next try, in milliseconds. Otherwise 0. */
  readonly delay: number;
  /** Why: a {@link LossReason} in `waiting`, a {@link PollReason} in `polling`, a {@link ClosedReason} in `closed`, else `null`. */
  readonly reason: LossReason | PollReason | ClosedReason | null;

  constructor(detail: StateDetail) {
    super('state');
    this.state = detail.state;
    this.attempt = detail.attempt;
    this.delay = detail.delay;
    this.reason = detail.reason;
  }
}

/** Some hosts that render pages have no `MessageEvent`; the client must be imported there, too. */
const MessageOrEvent = (globalThis.MessageEvent ?? Event) as typeof MessageEvent;

/**
 * What a server published. The members of a `MessageEvent` are its own here: handed to the browser and back, they would
 * take two thirds of the time that an event takes in Chromium.
 */
export class PublishedEvent extends MessageOrEvent<unknown> {
  override readonly data: unknown;
  override readonly lastEventId: string;
  override readonly origin: string;

  constructor(type: string, data: unknown, lastEventId: string, origin: string) {
    super(type);
    this.data = data;
    this.lastEventId = lastEventId;
    this.origin = origin;
  }
}

/** A heartbeat came. Dispatched under the type `heartbeat`. */
export class HeartbeatEvent extends Event {
  /**
   * How much later than the fastest heartbeat of this stream it came, in milliseconds. The clocks of
   * two machines cannot be compared, so this is the part of the latency that can be known.
   */
  readonly latency: number;

  constructor(latency: number) {
    super('heartbeat');
    this.latency = latency;
  }
}

/**
 * Why events are gone: `evicted` from the server's history, of `other-epoch` (the server's log was
 * begun anew), `lagged` (this reader was too slow), `bad-cursor` (the resume point was not one of
 * this server), `unknown` (a newer server's reason).
 */
export type GapReason = 'evicted' | 'other-epoch' | 'lagged' | 'bad-cursor' | 'unknown';

/**
 * Events are gone for this reader; what follows is complete again. The moment to load afresh whatever
 * is kept in step by events. Dispatched under the type `gap`.
 *
 * It comes at the begin of a stream, and for the reason `lagged` in the middle of one, where the server
 * moves slow readers forward. Then some events of the gap may follow after all, with ids inside it: each
 * once, in order, and of each key the newest.
 *
 * A `for await` loop over a stream that does not keep up is given one of its own making, with the reason `lagged`.
 */
export class GapEvent extends Event {
  declare readonly type: 'gap';
  /** The last event id before the gap; `null` when there was none, or it made no sense to the server. */
  readonly from: string | null;
  /** The last event id of the gap: what comes after it is complete again. */
  readonly to: string;
  /** Why the events are gone. */
  readonly reason: GapReason;

  constructor(from: string | null, to: string, reason: GapReason) {
    super('gap');
    this.from = from;
    this.to = to;
    this.reason = reason;
  }
}

/**
 * The token that the stream was opened with expires soon. The moment to refresh the cookie that holds it: the
 * stream ends with the token, and the next one is opened with whatever the cookie is then. With a `token` callback,
 * or `headers` that are a function, nothing is to be done: the stream is replaced in time by one with a fresh token,
 * without a change of state. Dispatched under the type `expiring`.
 */
export class ExpiringEvent extends Event {
  /** How long the token is still good for, in milliseconds. */
  readonly expiresIn: number;

  constructor(expiresIn: number) {
    super('expiring');
    this.expiresIn = expiresIn;
  }
}

/**
 * What a {@link StreamErrorEvent} is about, as a stable word: how a link was lost ({@link LossReason}),
 * how it came to its end (`gave-up`, `stopped`, `no-webassembly`), or
 *
 * - `bad-frame`: a compressed event cannot be opened. It is lost; the stream goes on.
 * - `bad-control`: a control event of the server makes no sense, and was ignored.
 * - `bad-answer`: the answer to a poll makes no sense.
 * - `event-too-long`: an event over fetch is longer than 32 MiB, and the stream was given up.
 * - `token-failed`, `headers-failed`: the callback threw or rejected, or what it returned is no header. The
 *   attempt counts as lost.
 * - `parse-failed`: what {@link EventStreamOptions.parse} was given cannot be parsed, or it threw. The event is
 *   lost; the stream goes on.
 * - `invalid-data`: its {@link EventStreamOptions.validate | validator} refused an event, threw, or is asynchronous.
 *   The event is lost; the stream goes on.
 *
 * `help(code)` of `heartwire/help` says in a sentence what each means and what to do about it.
 *
 * Or it is the `code` of a refusal by the server, told once in a row: while polling, and over fetch.
 */
export type StreamErrorCode =
  | LossReason
  | 'gave-up'
  | 'stopped'
  | 'no-webassembly'
  | 'bad-frame'
  | 'bad-control'
  | 'bad-answer'
  | 'event-too-long'
  | 'token-failed'
  | 'headers-failed'
  | 'parse-failed'
  | 'invalid-data'
  // Keeps the words above in an editor's list of suggestions.
  | (string & {});

/** Something went wrong; whether the stream goes on is told by its `readyState`. Dispatched under the type `error`. */
export class StreamErrorEvent extends Event {
  /** A stable word for programs. */
  readonly code: StreamErrorCode;
  /** One clause for people; empty when `code` says it all. Never holds any payload. */
  readonly message: string;
  /** The HTTP status of the answer that went wrong; `null` where there was none, or a browser does not tell it: over `EventSource`. */
  readonly status: number | null;
  /** What a `parse` or a validator of the page threw, or the issues that a schema found; else `undefined`. It may tell of the payload. */
  readonly cause: unknown;

  constructor(code: StreamErrorCode, message: string, status: number | null = null, cause?: unknown) {
    super('error');
    this.code = code;
    this.message = message;
    this.status = status;
    this.cause = cause;
  }
}

/** The events that {@link EventStream} itself dispatches, by type. What the server publishes is a `MessageEvent`. */
export interface EventStreamEventMap {
  /** Events come, by stream or by polling. */
  open: Event;
  /** Something went wrong. */
  error: StreamErrorEvent;
  /** The link is in another state. */
  state: StateEvent;
  /** A heartbeat came. */
  heartbeat: HeartbeatEvent;
  /** Events are gone for this reader. */
  gap: GapEvent;
  /** The token that the stream was opened with expires soon. */
  expiring: ExpiringEvent;
}
