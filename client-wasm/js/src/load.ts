/** Loads the WebAssembly: once, and not before the first stream needs it. */

import instantiate, { Client } from '../generated/heartwire.js';
import type { Engine } from './engine.js';

/** The module in base64, in the build for a script tag; `undefined` where the `.wasm` file lies beside the script. */
declare const INLINED_WASM: string | undefined;

/** Where the WebAssembly comes from: an address, its bytes, a response that brings it, or the compiled module. */
export type WasmSource = string | URL | Request | Response | BufferSource | WebAssembly.Module;

const engine: Engine = (url, options, sink) => new Client(url, options, sink);

let loading: Promise<Engine> | undefined;

/** The engine, loaded with the first call. A call after a failure tries again. */
export function load(source: WasmSource | undefined = inlined()): Promise<Engine> {
  // Without a source the glue looks beside the script, in the words that bundlers know:
  // `new URL('heartwire_bg.wasm', import.meta.url)`.
  loading ??= instantiate(source && { module_or_path: source }).then(
    () => engine,
    (failure: unknown) => {
      loading = undefined;
      throw failure;
    },
  );
  return loading;
}

function inlined(): Uint8Array<ArrayBuffer> | undefined {
  if (INLINED_WASM === undefined) {
    return undefined;
  }
  return Uint8Array.from(atob(INLINED_WASM), (character) => character.charCodeAt(0));
}
