/** [protocol, section 3] The one thing that a client may read out of ids: which of two cursors is earlier. */
const CURSOR = /^([0-9a-f]{1,16})-([0-9]{1,20})$/;

/** Whether `id` is `other` or lies before it. `undefined` when nobody can say. */
export function isAtOrBefore(id: string, other: string): boolean | undefined {
  if (id === other) {
    return true;
  }
  const [, epoch, sequence] = CURSOR.exec(id) ?? [];
  const [, otherEpoch, otherSequence] = CURSOR.exec(other) ?? [];
  return epoch && epoch === otherEpoch ? BigInt(sequence!) <= BigInt(otherSequence!) : undefined;
}
