/** What a server says beside its events, as far as it makes sense: the answers to polls, and refusals. */

/** One event of a {@link PollAnswer}. */
export interface PolledEvent {
  readonly id: string;
  readonly type: string;
  readonly data: string;
}

/** Events before `to` are gone. */
export interface GapAnswer {
  readonly from?: string | null;
  readonly to: string;
  readonly reason: string;
}

/** The answer to a poll. */
export interface PollAnswer {
  readonly events: readonly PolledEvent[];
  readonly cursor: string;
  readonly gap?: GapAnswer | null;
}

/** Why a server refused. */
export interface Refusal {
  readonly code: string;
  readonly detail: string;
}

type Members<T> = { readonly [Name in keyof T]?: unknown };

export const isText = (value: unknown): value is string => typeof value === 'string';
/** A number of things or of milliseconds. */
export const isCount = (value: unknown): value is number => typeof value === 'number' && value >= 0;

export const isGap = (value: unknown): value is GapAnswer => {
  const { from, to, reason } = Object(value) as Members<GapAnswer>;
  return isText(from ?? '') && isText(to) && isText(reason);
};

const isPolledEvent = (value: unknown): value is PolledEvent => {
  const { id, type, data } = Object(value) as Members<PolledEvent>;
  return isText(id) && isText(type) && isText(data);
};

export const isPollAnswer = (value: unknown): value is PollAnswer => {
  const { events, cursor, gap } = Object(value) as Members<PollAnswer>;
  return Array.isArray(events) && events.every(isPolledEvent) && isText(cursor) && (gap == null || isGap(gap));
};

export const isRefusal = (value: unknown): value is Refusal => {
  const { code, detail } = Object(value) as Members<Refusal>;
  return isText(code) && isText(detail);
};
