// The client's half of the switch, for some of the clients: the same ones each time.

/** A name for this browser that stays. */
export function clientId() {
  try {
    return (localStorage.clientId ??= crypto.randomUUID());
  } catch {
    // A browser that keeps nothing is another client each time.
    return crypto.randomUUID();
  }
}

/** Whether this client is among the first `percent` per cent. */
export function isRolledOut(id, percent) {
  // FNV-1a: enough to spread names evenly, and the same everywhere.
  let hash = 0x811c9dc5;
  for (const character of id) {
    hash = Math.imul(hash ^ character.codePointAt(0), 0x01000193) >>> 0;
  }
  return hash % 100 < percent;
}
