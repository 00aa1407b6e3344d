// Owns a list that grows at its end: keeps so many rows, and stays at the newest unless the reader
// has scrolled up. Knows nothing of what the rows say, and takes elements only, so no text can
// become markup.

/** How far from the end still counts as at the end, in pixels. */
const NEAR = 24;

export class Roll {
  #list;
  #most;
  #newest;
  #waiting = [];
  #follows = true;
  #unseen = 0;

  constructor(list, most) {
    this.#list = list;
    this.#most = most;
    this.#newest = list.parentElement.querySelector('.newest');
    list.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    this.#newest.addEventListener('click', () => {
      this.#toEnd();
      list.focus();
    });
    new ResizeObserver(() => this.#follows && this.#toEnd()).observe(list);
  }

  /** Adds a row with the next frame, so that a flood of lines costs one layout for each picture. */
  add(row) {
    if (this.#waiting.length === 0) {
      requestAnimationFrame(() => this.#flush());
    }
    this.#waiting.push(row);
    // A hidden page has no frames, and must not hoard.
    if (this.#waiting.length > this.#most) {
      this.#waiting.shift();
    }
  }

  clear() {
    this.#waiting.length = 0;
    this.#list.replaceChildren();
    this.#toEnd();
  }

  #flush() {
    const { length } = this.#waiting;
    this.#list.append(...this.#waiting);
    this.#waiting.length = 0;
    while (this.#list.childElementCount > this.#most) {
      this.#list.firstElementChild.remove();
    }
    if (this.#follows) {
      this.#toEnd();
    } else {
      this.#unseen += length;
      this.#tell();
    }
  }

  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.#list;
    this.#follows = scrollHeight - scrollTop - clientHeight < NEAR;
    if (this.#follows) {
      this.#unseen = 0;
    }
    this.#tell();
  }

  #toEnd() {
    this.#follows = true;
    this.#unseen = 0;
    this.#list.scrollTop = this.#list.scrollHeight;
    this.#tell();
  }

  #tell() {
    this.#newest.hidden = this.#follows;
    this.#newest.textContent = this.#unseen ? `${this.#unseen} more below` : 'To the newest';
  }
}
