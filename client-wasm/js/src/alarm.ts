/** One timer, for whatever is due next. */

/** `setTimeout` counts in 32 bits, and fires at once when asked for more. */
const LONGEST_TIMEOUT = 2 ** 31 - 1;

export class Alarm {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #at = Infinity;
  readonly #ring: (at: number) => void;

  /** @param ring - Called with the moment that was asked for. It may come early, and has to set the alarm again. */
  constructor(ring: (at: number) => void) {
    this.#ring = ring;
  }

  /** Rings at a moment, in milliseconds, or before; `Infinity`: never. */
  set(at: number, now: number): void {
    // Every event that is heard puts what is due off. The timer stays as it is: it rings too early, nothing is due,
    // and it is set anew. That is cheaper than to do so for each event.
    if (this.#at <= at && at < Infinity) {
      return;
    }
    this.clear();
    this.#at = at;
    if (at < Infinity) {
      // Rounded up: a timer that fires a fraction too early would only be set again.
      const delay = Math.ceil(at - now);
      this.#timer = setTimeout(() => {
        this.#at = Infinity;
        this.#ring(at);
      }, Math.min(Math.max(delay, 0), LONGEST_TIMEOUT));
    }
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#at = Infinity;
  }
}
