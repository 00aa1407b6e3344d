// Owns what a chart shows: the samples, and the states, heartbeats and gaps of the link, on one time axis.
// The axis is the page's clock; samples carry the server's, and are moved onto it.

/** Two more minutes than the longest span of the chart, so that a line enters it from outside. */
const KEPT_MS = 17 * 60_000;
/** Over how long the fastest arrival tells how far the two clocks are apart. */
const OFFSET_WINDOW_MS = 30_000;
const USUAL_INTERVAL_MS = 1_000;

export class History {
  /** By the server's clock, oldest first. Each has its `time_ms`. */
  samples = [];
  states = [{ at: Date.now(), state: 'connecting' }];
  heartbeats = [];
  gaps = [];
  #type;
  #parse;
  #arrivals = [];
  #offset = 0;

  /** Samples come as events of a type; `parse(text)` makes one, or `undefined` of what is none. */
  constructor(type, parse) {
    this.#type = type;
    this.#parse = parse;
  }

  listen(stream) {
    stream.addEventListener(this.#type, (event) => {
      const sample = this.#parse(event.data);
      if (sample) {
        this.#sample(sample);
      }
    });
    stream.addEventListener('state', ({ state }) => {
      this.states.push({ at: Date.now(), state });
      this.#forget();
    });
    stream.addEventListener('heartbeat', () => this.heartbeats.push(Date.now()));
    // Its place on the axis is before the first sample that comes after it.
    stream.addEventListener('gap', ({ reason }) => this.gaps.push({ reason, toldAt: Date.now(), before: null }));
  }

  /** Forgets the samples, for a replay that brings them again. What happened on the link stays. */
  clearSamples() {
    this.samples = [];
    this.gaps = [];
    this.#arrivals = [];
  }

  /** A moment of the server's clock on the page's. */
  placed(serverMs) {
    return serverMs + this.#offset;
  }

  placeOf(gap) {
    return gap.before === null ? gap.toldAt : this.placed(gap.before);
  }

  /** More than this between two samples, and some are missing. */
  get longestStep() {
    const steps = [];
    for (let i = Math.max(1, this.samples.length - 20); i < this.samples.length; i += 1) {
      steps.push(this.samples[i].time_ms - this.samples[i - 1].time_ms);
    }
    steps.sort((a, b) => a - b);
    return 1.8 * (steps[steps.length >> 1] ?? USUAL_INTERVAL_MS);
  }

  /** The sample of a moment on the page's clock, or `undefined` where none was heard. */
  at(pageMs) {
    const half = this.longestStep / 2;
    return this.samples.findLast((sample) => Math.abs(this.placed(sample.time_ms) - pageMs) <= half);
  }

  /** The state of the link at a moment on the page's clock. */
  stateAt(pageMs) {
    return this.states.findLast(({ at }) => at <= pageMs)?.state;
  }

  #sample(sample) {
    const now = Date.now();
    for (const gap of this.gaps) {
      gap.before ??= sample.time_ms;
    }
    // Nearly always at the end; a replay or another clock may say otherwise.
    const after = this.samples.findLastIndex(({ time_ms }) => time_ms < sample.time_ms) + 1;
    const again = this.samples[after]?.time_ms === sample.time_ms ? 1 : 0;
    this.samples.splice(after, again, sample);
    this.#learnOffset(now, sample.time_ms);
    this.#forget();
  }

  /** What came late, as all of a replay does, says nothing about the clocks; the fastest says most. */
  #learnOffset(now, serverMs) {
    this.#arrivals = this.#arrivals.filter(({ at }) => at > now - OFFSET_WINDOW_MS);
    this.#arrivals.push({ at: now, offset: now - serverMs });
    this.#offset = this.#arrivals.reduce((least, { offset }) => Math.min(least, offset), Infinity);
  }

  #forget() {
    const oldest = Date.now() - KEPT_MS;
    dropWhile(this.samples, ({ time_ms }) => this.placed(time_ms) < oldest);
    dropWhile(this.heartbeats, (at) => at < oldest);
    dropWhile(this.gaps, (gap) => this.placeOf(gap) < oldest);
    // The state that was entered last before the oldest moment still holds there.
    dropWhile(this.states, (_, next) => next && next.at < oldest);
  }
}

function dropWhile(list, isOld) {
  let n = 0;
  while (n < list.length && isOld(list[n], list[n + 1])) {
    n += 1;
  }
  list.splice(0, n);
}
