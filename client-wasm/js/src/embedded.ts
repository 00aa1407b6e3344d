/** WebAssembly inside a script, as `embed.mjs` has written it when the package was built. */

declare const ALPHABET: string;

/** So many characters announce a byte that one alone cannot tell. */
const PAGES = 2;

/** The bytes of a module that is written as this text. */
export function embedded(text: string): Uint8Array<ArrayBuffer> {
  // Once, since the build puts the text itself in the place of its name.
  const alphabet = ALPHABET;
  const bytes = new Uint8Array(text.length);
  let n = 0;
  let first = 0;
  for (const character of text) {
    const i = alphabet.indexOf(character);
    if (i < PAGES) {
      first = (i + 1) * (alphabet.length - PAGES);
    } else {
      bytes[n++] = first + i - PAGES;
      first = 0;
    }
  }
  return bytes.slice(0, n);
}
