// Owns the page's one EventStream: opens it, closes it, and opens the next one where the last one
// ended. Decides nothing about reconnecting; that is the client's own work.

import { EventStream } from './heartwire/dist/heartwire.js';

const COUNTERS = [
  'delivered',
  'opened',
  'gaps',
  'duplicates',
  'heartbeats',
  'frames',
  'bytesSavedByFrames',
  'polls',
  'losses',
];

export class Link {
  #url;
  #options;
  #listeners = [];
  #stream;
  #enabled = true;
  #before = Object.fromEntries(COUNTERS.map((name) => [name, 0]));

  /** `options`: what every stream of the page is opened with, its topics above all. */
  constructor(url, options) {
    this.#url = url;
    this.#options = options;
  }

  /** Calls `listen(stream)` with every stream that is opened from now on, before anything comes. */
  onStream(listen) {
    this.#listeners.push(listen);
  }

  get state() {
    return this.#stream.state;
  }

  get lastEventId() {
    return this.#stream.lastEventId;
  }

  /** The page's half of the one switch. It outlives the stream, so that `start` keeps to it. */
  get enabled() {
    return this.#enabled;
  }

  set enabled(enabled) {
    this.#enabled = enabled;
    this.#stream.enabled = enabled;
  }

  /**
   * Opens the first stream, with what the server has kept, so that the page is full at once; or goes on
   * after the last event of the one that was stopped.
   */
  start() {
    this.#open({ from: 'earliest', lastEventId: this.#stream?.lastEventId });
  }

  stop() {
    this.#stream.close();
  }

  /** Begins again with the oldest event that the server has kept. */
  replay() {
    this.#stream.close();
    this.#open({ from: 'earliest' });
  }

  /** What the client counted on this page, over all its streams. */
  metrics() {
    const current = this.#stream.metrics();
    const sums = COUNTERS.map((name) => [name, this.#before[name] + current[name]]);
    return { ...current, ...Object.fromEntries(sums) };
  }

  #open(where) {
    if (this.#stream) {
      this.#before = this.metrics();
    }
    this.#stream = new EventStream(this.#url, {
      ...this.#options,
      enabled: this.#enabled,
      ...where,
    });
    for (const listen of this.#listeners) {
      listen(this.#stream);
    }
  }
}
