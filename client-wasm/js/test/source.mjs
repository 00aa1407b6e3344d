// A module of the package by itself: its own tests need what the package does not export.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

export async function source(path) {
  const folder = mkdtempSync(join(tmpdir(), 'heartwire-'));
  try {
    const outfile = join(folder, 'module.mjs');
    const entry = fileURLToPath(new URL(`../src/${path}`, import.meta.url));
    await build({ entryPoints: [entry], bundle: true, format: 'esm', outfile, define: { VERSION: '"test"', LEAN: 'false' } });
    return await import(pathToFileURL(outfile));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
