/** The server's own events, as the machine wants them. */

import { isCount, isGap, isText } from './answers.js';
import { Happening } from './border.js';

/** What a control event says: what happened, and the texts beside its id and the numbers that belong to that. `undefined` when it is not what the protocol says. */
export function readControl(type: string, data: string): readonly [Happening, readonly string[], ...number[]] | undefined {
  let said: unknown;
  try {
    said = JSON.parse(data);
  } catch {
    // Nothing will do.
  }
  const { protocol, heartbeat_interval_ms: interval, resumed, time_ms: time, reason, retry_ms: retry, expires_in_ms: left } = Object(said);
  if (type === 'gap' && isGap(said)) {
    return [Happening.Gap, [said.from ?? '', said.to, said.reason]];
  }
  if (type === 'heartbeat' && isCount(time)) {
    return [Happening.Heartbeat, [], time];
  }
  if (type === 'closing' && isText(reason) && isCount(retry)) {
    return [Happening.Closing, [reason], retry];
  }
  if (type === 'expiring' && isCount(left)) {
    return [Happening.Expiring, [], left];
  }
  if (type === 'connected' && isCount(protocol) && isCount(interval ?? 0) && typeof resumed === 'boolean' && isCount(time)) {
    return [Happening.Connected, [], interval ?? NaN, time];
  }
  return undefined;
}
