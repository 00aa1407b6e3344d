/** What a new leader waits for: that all others have said how much they have heard. */

import { endOf, type Excerpt, isLater, type Place } from './log.js';

/** So long may the others take to answer a new leader. They do it at once unless they are busy or frozen. */
const ANSWERS_MS = 200;

export type Election = ReturnType<typeof elect>;

/** @param nOthers - So many are asked. */
export function elect(nOthers: Promise<number>, setTimeout: (act: () => void, ms: number) => unknown) {
  const answered = new Set<string>();
  let best: Excerpt | undefined;
  let decide = () => {};
  const look = async () => {
    if (answered.size >= (await nOthers)) {
      decide();
    }
  };
  void look();
  return {
    /** The most that anybody has heard, when that is more than the new leader has. */
    result: new Promise<Excerpt | undefined>((resolve) => {
      decide = () => resolve(best);
      setTimeout(decide, ANSWERS_MS);
    }),
    /**
     * Somebody has answered.
     *
     * @param excerpt - What it has heard that the new leader may lack.
     * @param end - Where the new leader stands.
     */
    count(from: string, excerpt: Excerpt | undefined, end: Place | undefined): void {
      answered.add(from);
      if (excerpt && isLater(endOf(excerpt), best ? endOf(best) : end)) {
        best = excerpt;
      }
      void look();
    },
  };
}
