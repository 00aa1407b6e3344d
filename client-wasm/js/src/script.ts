/** The build for a script tag: one classic script with everything in it, and one global, `Heartwire`. */

import { EventStream, init, version } from './index.js';

declare global {
  var Heartwire: { EventStream: typeof EventStream; init: typeof init; version: string };
}

globalThis.Heartwire = { EventStream, init, version };
