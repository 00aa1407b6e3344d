/** The WebAssembly inside the script, as `embed.mjs` has written it when the package was built. */

declare const EMBEDDED_WASM: string;
declare const ALPHABET: string;

/** So many characters announce a byte that one alone cannot tell. */
const PAGES = 2;

/** The module's bytes. */
export function embedded(): Uint8Array<ArrayBuffer> {
  // Once each, since the build puts the text itself in the place of its name.
  const text = EMBEDDED_WASM;
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
