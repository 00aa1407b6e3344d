/** Loads the WebAssembly: once, and not before the first stream needs it. */

import type { Exports } from './border.js';
import { embedded } from './embedded.js';

/** Where the WebAssembly comes from: an address, its bytes, a response that brings it or will, or the compiled module. */
export type WasmSource = string | URL | Request | Response | Promise<Response> | BufferSource | WebAssembly.Module;

declare const EMBEDDED_WASM: string;

/** The bytes of the module inside this script. */
export const embeddedModule = (): Uint8Array<ArrayBuffer> => embedded(EMBEDDED_WASM);

let loading: Promise<WebAssembly.Module> | undefined;

/** The module, loaded with the first call. A call after a failure tries again. */
export function loadModule(source?: WasmSource): Promise<WebAssembly.Module> {
  loading ??= compile(source).catch((failure: unknown) => {
    loading = undefined;
    throw failure;
  });
  return loading;
}

/** The first wait for room for another instance, which then doubles as long as it is no longer than this: six seconds in all. */
const ROOM_WAIT_MS = 50;
const LONGEST_ROOM_WAIT_MS = 5_000;

/**
 * An instance for one connection: what fails in there takes no other stream with it, and its memory goes when the
 * stream does.
 *
 * @param isOver - Whether nobody needs it any more. Then there is none.
 */
export async function load(isOver: () => boolean): Promise<Exports | undefined> {
  const module = await loadModule();
  for (let wait = ROOM_WAIT_MS; !isOver(); wait *= 2) {
    try {
      return (await WebAssembly.instantiate(module)).exports as unknown as Exports;
    } catch (failure) {
      // Chromium has room for some 125 instances in a process, and those of closed streams count until they are collected.
      if (!(failure instanceof RangeError) || wait > LONGEST_ROOM_WAIT_MS) {
        throw failure;
      }
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
}

async function compile(given: WasmSource = embeddedModule()): Promise<WebAssembly.Module> {
  const source = await given;
  if (source instanceof WebAssembly.Module) {
    return source;
  }
  if (source instanceof ArrayBuffer || ArrayBuffer.isView(source)) {
    return WebAssembly.compile(source);
  }
  const response = source instanceof Response ? source : await fetch(source);
  if (!response.ok) {
    throw new Error(`heartwire: status ${response.status} for the WebAssembly`);
  }
  return WebAssembly.compile(await response.arrayBuffer());
}
