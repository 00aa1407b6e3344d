/** What a connection says, in words that can go from one member of a group to the others. */

import type { Listener } from '../connection.js';
import type { GapReason, State, StateDetail } from '../events.js';

/** What a leader says: whatever its connection has for a page, and which types it takes from now on. */
export type Word =
  | readonly ['message', type: string, data: string]
  | readonly ['state', state: State, attempt: number, delay: number, reason: StateDetail['reason'], status: number | null, message: string]
  | readonly ['heartbeat', latency: number]
  | readonly ['gap', from: string | undefined, to: string, reason: GapReason]
  | readonly ['expiring', expiresIn: number]
  | readonly ['error', code: string, message: string, status: number | null]
  | readonly ['types', types: readonly string[]];

export type StateWord = Extract<Word, readonly ['state', ...unknown[]]>;

/**
 * Listens to a connection.
 *
 * @param take - Takes each word, and the id of an event.
 */
export const inWords = (take: (word: Word, id?: string) => void): Listener => ({
  deliver: (type, data, lastEventId) => take(['message', type, data], lastEventId),
  state: (state, attempt, delay, reason, status, message) => take(['state', state, attempt, delay, reason ?? null, status, message]),
  heartbeat: (latency) => take(['heartbeat', latency]),
  gap: (from, to, reason) => take(['gap', from, to, reason]),
  expiring: (expiresIn) => take(['expiring', expiresIn]),
  error: (code, message, status) => take(['error', code, message, status]),
});
