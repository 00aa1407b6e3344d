/**
 * The page's clock, which counts sleep. `performance.now()` alone stands still in some browsers while the machine
 * sleeps, and everything that is timed by it sleeps too; the wall clock alone may be set by anybody.
 */

/** When the wall clock gets so far ahead of the other at once, the machine slept, or somebody set it: both are worth a look. */
const JUMP_MS = 2_000;

export class Clock {
  /** The moment of the last reading, in milliseconds. Never goes back. */
  now = 0;
  #ahead = NaN;
  #slept = 0;

  /** Reads the clocks. Returns whether the machine has slept since the last reading. */
  read(): boolean {
    const now = performance.now();
    const ahead = Date.now() - now;
    const jump = ahead - this.#ahead;
    this.#ahead = ahead;
    const slept = jump >= JUMP_MS;
    if (slept) {
      this.#slept += jump;
    }
    this.now = now + this.#slept;
    return slept;
  }
}
