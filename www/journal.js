// Owns the log of what happened on the link: states, gaps and errors, each with its time.

import { element } from './element.js';
import { span, timeOfDay } from './format.js';
import { Roll } from './roll.js';
import { gapWhy, stateWord, why } from './words.js';

const MOST_ENTRIES = 100;

export class Journal {
  #roll;

  constructor(link, list) {
    this.#roll = new Roll(list, MOST_ENTRIES);
    link.onStream((stream) => this.#listen(stream));
  }

  /** Adds an entry of the page's own. */
  note(word, text) {
    this.#entry('note', word, text);
  }

  #listen(stream) {
    let told = null;
    stream.addEventListener('state', (event) => {
      told = event.state === 'waiting' || event.state === 'closed' ? event.reason : null;
      const next = event.state === 'waiting' ? ` Try ${event.attempt} in ${span(event.delay)}.` : '';
      this.#entry(event.state, stateWord(event.state), `${why(event)}${next}`, event.reason);
    });
    stream.addEventListener('error', (event) => {
      // An event that was published under this type has no code.
      if (!event.code) {
        return;
      }
      // The client tells a loss twice, as a state and, like an EventSource, as an error.
      if (event.code === told) {
        told = null;
        return;
      }
      this.#entry('error', 'Error', event.message, event.code);
    });
    stream.addEventListener('gap', (event) => {
      // A gap that was published under this type cannot be: the server refuses it.
      this.#entry('gap', 'Gap', `After ${event.from ?? 'an unknown place'}: ${gapWhy(event.reason)}.`, event.reason);
    });
  }

  #entry(kind, word, text, code) {
    const badge = element('b', 'badge', word);
    badge.dataset.kind = kind;
    const stableWord = code ? [element('code', '', code)] : [];
    const said = element('span', 'text', text);
    this.#roll.add(element('li', '', element('time', '', timeOfDay(Date.now())), badge, ...stableWord, said));
  }
}
