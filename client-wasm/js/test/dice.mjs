// Dice for tests that make up what happens.

/** mulberry32: the same seed tells the same story. */
export function dice(seed) {
  const random = () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return { below: (n) => Math.floor(random() * n), pick: (list) => list[Math.floor(random() * list.length)] };
}

/**
 * Calls `check` with so many seeds, one after the other. `SEED` is another first one, and `SEEDS` another number of
 * them; a failure names its own.
 */
export async function eachSeed(nSeeds, check) {
  const first = Number(process.env.SEED ?? 0);
  for (let seed = first; seed < first + Number(process.env.SEEDS ?? nSeeds); seed += 1) {
    try {
      await check(seed);
    } catch (failure) {
      failure.message += ` (seed ${seed})`;
      throw failure;
    }
  }
}
