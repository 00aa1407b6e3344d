/**
 * The shared worker: one for all pages of an origin that have no Web Locks. A file of its own in the package, complete in
 * itself, so that a page without a bundler needs but a copy of it, and a tool that bundles it finds no way back to the
 * file that starts it.
 */

import { connect } from '../connection.js';
import { loadModule } from '../load.js';
import { Leaders } from './leaders.js';

const leaders = new Leaders(({ url, wasm }) => {
  // Should it fail, the connection finds out for itself.
  loadModule(wasm).catch(() => {});
  return (options, listener) => connect(url, options, listener);
}, location.href);

addEventListener('connect', (event) => {
  const [page] = (event as MessageEvent).ports as readonly [MessagePort];
  leaders.hear(page);
});
