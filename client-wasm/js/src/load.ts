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
export function load(source?: WasmSource): Promise<Engine> {
  loading ??= start(source).catch((failure: unknown) => {
    loading = undefined;
    throw failure;
  });
  return loading;
}

async function start(source: WasmSource | undefined = inlined() ?? onDisk()): Promise<Engine> {
  // Without a source the glue looks beside the script, in the words that bundlers know:
  // `new URL('heartwire_bg.wasm', import.meta.url)`.
  await instantiate(source && { module_or_path: source });
  return engine;
}

function inlined(): Uint8Array<ArrayBuffer> | undefined {
  if (INLINED_WASM === undefined) {
    return undefined;
  }
  return Uint8Array.from(atob(INLINED_WASM), (character) => character.charCodeAt(0));
}

/** In Node: the file beside the script, which its `fetch` cannot read. */
function onDisk(): Uint8Array<ArrayBuffer> | undefined {
  if (INLINED_WASM !== undefined || !import.meta.url.startsWith('file:')) {
    return undefined;
  }
  // Not an import: bundlers for the browser would trip over it.
  const { process } = globalThis as { process?: Process };
  return process?.getBuiltinModule?.('fs').readFileSync(new URL('heartwire_bg.wasm', import.meta.url));
}

/** What we need of Node, if this is Node; from 20.16 on. */
interface Process {
  getBuiltinModule?(name: 'fs'): { readFileSync(url: URL): Uint8Array<ArrayBuffer> };
}
