// Writes bytes as a string that any tool may copy, re-encode or put into HTML without changing it: printable ASCII, and
// none of what a string, a template or a script tag has to escape.
//
// Base64 shifts bytes by parts, so that nothing repeats, and a page downloads a quarter more. Here each byte is a character of its
// own, or two: brotli finds in it what it finds in the bytes.

const ESCAPED = '"\'`\\$<';

/** The characters, in order. The first two say that the next one stands for a byte of the second or third page. */
export const ALPHABET = Array.from({ length: 0x7f - 0x20 }, (_, i) => String.fromCharCode(0x20 + i))
  .filter((character) => !ESCAPED.includes(character))
  .join('');

export const PAGES = 2;
export const PAGE = ALPHABET.length - PAGES;

/** `src/embedded.ts` reads it back. */
export function embed(bytes) {
  let text = '';
  for (const byte of bytes) {
    const page = Math.floor(byte / PAGE);
    text += (page ? ALPHABET[page - 1] : '') + ALPHABET[PAGES + (byte % PAGE)];
  }
  return text;
}
