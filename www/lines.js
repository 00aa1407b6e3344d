// Owns the pane with the lines of `heartwire pipe` (topic `lines`), and the command above it.

import { element } from './element.js';
import { bytes, count, timeOfDay } from './format.js';
import { Roll } from './roll.js';
import { gapWhy } from './words.js';

const MOST_LINES = 500;
/** A longer line is folded: one line of some kilobytes would push all others out of sight. */
const LONGEST_SHOWN = 240;
/** Where `heartwire pipe` publishes unless told otherwise. */
const STANDARD_ORIGIN = 'http://127.0.0.1:8080';

export class Lines {
  #roll;
  #note;
  #total = 0;

  constructor(link, { list, note, command, copy }) {
    this.#roll = new Roll(list, MOST_LINES);
    this.#note = note;
    completeCommand(command);
    copy.addEventListener('click', () => copyText(command, copy));
    link.onStream((stream) => {
      stream.addEventListener('message', (event) => this.#line(event.data));
      stream.addEventListener('gap', (event) => {
        this.#roll.add(element('li', 'gap', `Lines may be missing here: ${gapWhy(event.reason)}.`));
      });
    });
  }

  clear() {
    this.#roll.clear();
    this.#total = 0;
    this.#note.textContent = '';
  }

  #line(text) {
    this.#total += 1;
    this.#note.textContent = `${count(this.#total)} so far`;
    const time = element('time', '', timeOfDay(Date.now()));
    this.#roll.add(element('li', '', time, text.length > LONGEST_SHOWN ? folded(text) : element('span', 'text', text)));
  }
}

function folded(text) {
  const size = element('small', 'size', bytes(new TextEncoder().encode(text).length));
  const summary = element('summary', '', element('span', 'text', `${text.slice(0, LONGEST_SHOWN)}…`), size);
  const details = element('details', '', summary);
  // The rest is laid out when somebody asks for it.
  details.addEventListener('toggle', () => details.append(element('span', 'text', `…${text.slice(LONGEST_SHOWN)}`)), {
    once: true,
  });
  return details;
}

/** Away from the standard address the command needs to be told where the hub is. */
function completeCommand(command) {
  const base = new URL('.', location.href);
  if (base.origin !== STANDARD_ORIGIN || base.pathname !== '/') {
    command.textContent += ` --url ${base.href.replace(/\/$/, '')}`;
  }
}

async function copyText(source, button) {
  try {
    await navigator.clipboard.writeText(source.textContent);
    button.textContent = 'Copied';
  } catch {
    // The clipboard is for secure pages that may use it; elsewhere the reader's own keys do.
    getSelection().selectAllChildren(source);
    button.textContent = 'Selected';
  }
  setTimeout(() => (button.textContent = 'Copy'), 2_000);
}
