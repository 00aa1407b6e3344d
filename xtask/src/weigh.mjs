// Prints the size of each file named, raw, under gzip and under brotli, as a server would send it.
import { readFileSync } from "node:fs";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

// Run with --eval, so no script's name comes before the arguments.
for (const name of process.argv.slice(1)) {
  const raw = readFileSync(name);
  const gzip = gzipSync(raw, { level: 9 });
  const brotli = brotliCompressSync(raw, {
    params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: raw.length },
  });
  console.log(raw.length, gzip.length, brotli.length);
}
