// Owns the panel that tells the state of the link: the lamp, the word, the reason, the countdown and
// the facts beside them. Announces changes of state to screen readers, and nothing else.

import { age } from './format.js';
import { stateWord, why } from './words.js';

/** Of every stream; beside them the page's own events. */
const SIGNS_OF_LIFE = ['open', 'heartbeat', 'gap'];
const JUST_NOW_MS = 2_000;
const ECHO = [
  { transform: 'scale(0.8)', opacity: 0.5 },
  { transform: 'scale(1.4)', opacity: 0 },
];

export class Status {
  #panel;
  #parts;
  #link;
  #types;
  #title = document.title;
  #detail = { state: 'connecting', attempt: 0, delay: 0, reason: null };
  #since = Date.now();
  #lastLife = null;
  #polls = 0;
  #echo;
  #still = matchMedia('(prefers-reduced-motion: reduce)');

  /** `types`: those of the page's events. */
  constructor(panel, link, types) {
    this.#types = types;
    this.#panel = panel;
    this.#parts = Object.fromEntries(
      Array.from(panel.querySelectorAll('[data-link]'), (part) => [part.dataset.link, part]),
    );
    this.#link = link;
    link.onStream((stream) => this.#listen(stream));
  }

  #listen(stream) {
    this.#lastLife = null;
    for (const type of [...SIGNS_OF_LIFE, ...this.#types]) {
      stream.addEventListener(type, () => this.#alive());
    }
    stream.addEventListener('state', (event) => this.#changed(event));
  }

  #changed({ state, attempt, delay, reason }) {
    this.#detail = { state, attempt, delay, reason };
    this.#since = Date.now();
    const word = stateWord(state);
    const sentence = why(this.#detail);
    this.#panel.dataset.state = state;
    this.#parts.word.textContent = word;
    this.#parts.why.textContent = sentence;
    this.#parts.announcement.textContent = `The link: ${word}. ${sentence}`;
    document.title = `${word} · ${this.#title}`;
    this.update();
  }

  #alive() {
    this.#lastLife = Date.now();
    // One echo of the lamp for each sign of life; those that come while one runs add nothing.
    if (this.#echo?.playState !== 'running' && !this.#still.matches) {
      this.#echo = this.#panel.querySelector('.lamp-echo').animate(ECHO, { duration: 900, easing: 'ease-out' });
    }
  }

  /** Draws whatever moves with the clock. */
  update() {
    const now = Date.now();
    const { transport, polls } = this.#link.metrics();
    // An answer without events is a sign of life too, and only the counter tells of it.
    if (polls !== this.#polls) {
      this.#polls = polls;
      this.#alive();
    }
    this.#write('transport', transport);
    this.#write('life', this.#lastLife ? ago(now - this.#lastLife) : 'none yet');
    this.#write('id', this.#link.lastEventId || 'none yet');
    this.#count(now);
  }

  #count(now) {
    const { state, attempt, delay } = this.#detail;
    const left = state === 'waiting' ? Math.max(0, this.#since + delay - now) : 0;
    this.#write('countdown', state === 'waiting' ? `Try ${attempt} in ${(left / 1000).toFixed(1)} s` : '');
    this.#panel.style.setProperty('--left', delay ? (100 * left) / delay : 0);
  }

  #write(part, text) {
    if (this.#parts[part].textContent !== text) {
      this.#parts[part].textContent = text;
    }
  }
}

/** A host that reports once a second is never quite silent, nor quite there. */
function ago(ms) {
  return ms < JUST_NOW_MS ? 'just now' : `${age(ms)} ago`;
}
