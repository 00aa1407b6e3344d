/**
 * Opens frames: compressed events. The module loads this with the first of them. Most pages never get one, since servers
 * compress whole streams for browsers.
 */

import { type TextExports, texts } from './border.js';
import { embedded } from './embedded.js';

/** Opens a frame, a text of base64 or its bytes, to at most so many bytes, 0 for as many as the protocol allows: whether it went, and the payload, or what is wrong, with its size in bytes. */
export type Opener = (frame: string | Uint8Array, most: number) => readonly [isOpen: boolean, text: string, nBytes: number];

declare const FRAMES_WASM: string;

type FramesExports = TextExports & { open(maxBytes: number): number };

export async function opener(): Promise<Opener> {
  const module = await WebAssembly.compile(embedded(FRAMES_WASM));
  let instance: FramesExports | undefined;
  return (frame, most) => {
    try {
      instance ??= new WebAssembly.Instance(module).exports as FramesExports;
      const { write, writeText, read } = texts(instance);
      typeof frame === 'string' ? writeText(frame) : write(frame);
      return [Boolean(instance.open(most)), read(), instance.text_bytes()];
    } catch {
      // It may lack memory, or be at fault. Whichever it is, there is no going on in this instance.
      instance = undefined;
      return [false, 'the frame cannot be opened here', 0];
    }
  };
}
