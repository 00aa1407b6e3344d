/** A resume point that is kept in `sessionStorage`, and so survives a reload of its page. */

/** The version of what is kept, so that what another one kept is passed over. */
const FORM = '1 ';
/** What could not be an id: it is somebody else's, or rubbish. */
const NO_ID = /[\0-\x1f\x7f]|^$|^.{1025}/s;

/** The places that streams of this page keep. Two streams of one address are told apart by their order. */
const taken = new Set<string>();

export class KeptPlace {
  readonly #key: string;
  /** The id that was kept; empty when there is none. */
  readonly id: string;

  /** The place of the stream with this address. */
  constructor(url: string) {
    let key = `heartwire ${url}`;
    while (taken.has(key)) {
      key += ' +';
    }
    taken.add(key);
    this.#key = key;
    this.id = read(key);
  }

  keep(id: string): void {
    try {
      if (!NO_ID.test(id)) {
        sessionStorage.setItem(this.#key, FORM + id);
      }
    } catch {
      // There is no storage, it may not be used, or it is full. The next page begins where the options say.
    }
  }

  /** Another stream of this address may have the place. What is kept stays. */
  leave(): void {
    taken.delete(this.#key);
  }
}

function read(key: string): string {
  try {
    const kept = sessionStorage.getItem(key) ?? '';
    const id = kept.slice(FORM.length);
    return kept.startsWith(FORM) && !NO_ID.test(id) ? id : '';
  } catch {
    return '';
  }
}
