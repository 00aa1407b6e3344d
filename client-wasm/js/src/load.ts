/** Loads the WebAssembly: once, and not before the first stream needs it. */

import type { Exports } from './border.js';
import { embedded } from './embedded.js';
import type { Engine } from './engine.js';
import { lasting } from './lasting.js';

/** Where the WebAssembly comes from: an address, its bytes, a response that brings it or will, or the compiled module. */
export type WasmSource = string | URL | Request | Response | Promise<Response> | BufferSource | WebAssembly.Module;

let loading: Promise<WebAssembly.Module> | undefined;

/** The module, loaded with the first call. A call after a failure tries again. */
export function loadModule(source?: WasmSource): Promise<WebAssembly.Module> {
  loading ??= compile(source).catch((failure: unknown) => {
    loading = undefined;
    throw failure;
  });
  return loading;
}

/**
 * An engine for one connection, in an instance of its own: what fails in there takes no other stream with it, and
 * its memory goes when the stream does.
 */
export async function load(): Promise<Engine> {
  return lasting(await instance(), instance);
}

async function instance(): Promise<Exports> {
  const { exports } = await WebAssembly.instantiate(await loadModule());
  return exports as unknown as Exports;
}

async function compile(given: WasmSource = embedded()): Promise<WebAssembly.Module> {
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
