// A page for frameworks in Node, and what they are built with.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { JSDOM } from 'jsdom';

const dist = new URL('../../dist/', import.meta.url);

/** A fresh document at http://hub.test/, whose globals are those of this process; the element to put things into. */
export function openPage() {
  const { window } = new JSDOM('<!doctype html><main></main>', { url: 'http://hub.test/' });
  globalThis.window = window;
  // The events stay Node's: a stream is an EventTarget of this process, and not one of the document.
  for (const name of ['document', 'Node', 'Element', 'Text', 'Comment', 'DocumentFragment', 'HTMLElement', 'HTMLMediaElement', 'SVGElement', 'MathMLElement']) {
    if (window[name]) {
      globalThis[name] = window[name];
    }
  }
  globalThis.navigator ??= window.navigator;
  return window.document.querySelector('main');
}

/**
 * Bundles this module for Node and imports it. What it imports as `heartwire` is the built package, the very
 * instance that the tests have; its hooks are bundled, so that they get the framework that the test is about.
 */
export async function bundled(contents, options = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'heartwire-hooks-'));
  try {
    const outfile = join(folder, 'bundle.mjs');
    await build({
      stdin: { contents, resolveDir: import.meta.dirname ?? new URL('.', import.meta.url).pathname },
      outfile,
      bundle: true,
      format: 'esm',
      platform: 'node',
      logLevel: 'error',
      define: { 'process.env.NODE_ENV': '"development"' },
      // Parts of React for servers are CommonJS, and ask for Node's own modules.
      banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
      ...options,
      plugins: [
        {
          name: 'heartwire',
          setup({ onResolve }) {
            onResolve({ filter: /^heartwire$/ }, () => ({ path: new URL('heartwire.js', dist).href, external: true }));
            onResolve({ filter: /^heartwire\// }, ({ path }) => ({ path: new URL(`${path.slice('heartwire/'.length)}.js`, dist).pathname }));
          },
        },
        ...(options.plugins ?? []),
      ],
    });
    return await import(pathToFileURL(outfile));
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** So that whatever wants to happen by itself has happened: timers of no length, promises, messages. */
export const settled = async () => {
  for (let round = 0; round < 5; round += 1) {
    await new Promise((resolve) => setTimeout(resolve));
  }
};
