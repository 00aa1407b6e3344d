// Reads a stream with Node's http and zlib and writes what it decodes to standard output, which is read as
// slowly as the test likes: node reader.mjs URL [LAST_EVENT_ID]
import { get } from 'node:http';
import { constants, createGunzip } from 'node:zlib';

const [url, lastEventId] = process.argv.slice(2);
const headers = { accept: 'text/event-stream', 'accept-encoding': 'gzip' };
if (lastEventId) headers['last-event-id'] = lastEventId;

get(url, { headers, agent: false }, (response) => {
  const encoding = response.headers['content-encoding'] ?? 'identity';
  process.stdout.write(`content-encoding: ${encoding}\r\n\r\n`);
  // The stream has no end of its own: each block counts as it comes, and so does the last one.
  const { Z_SYNC_FLUSH } = constants;
  const gunzip = createGunzip({ flush: Z_SYNC_FLUSH, finishFlush: Z_SYNC_FLUSH });
  const decoded = encoding === 'gzip' ? response.pipe(gunzip) : response;
  decoded.pipe(process.stdout);
});
