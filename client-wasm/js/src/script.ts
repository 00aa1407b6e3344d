/** The build for a script tag: one classic script with everything in it, and one global, `Heartwire`. */

import * as all from './index.js';

declare global {
  var Heartwire: typeof all;
}

globalThis.Heartwire = all;
