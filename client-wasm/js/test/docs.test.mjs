// The guide, docs/client.md, and the package's README: their `js` blocks run, their `ts` and `tsx` blocks compile.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { accept, event, hello, reply, serve } from './server.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const compiler = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc');
const guide = await readFile(new URL('../../../docs/client.md', import.meta.url), 'utf8');
const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8');

/** The blocks in this language. */
const blocks = (text, language) => [...text.matchAll(/^```(\w+)\n([^]*?)^```$/gm)].filter((block) => block[1] === language).map((block) => block[2]);

/** What the blocks use and do not explain: what has been told once is not told again. */
const PRELUDE = `
  interface Progress { percent: number }
  declare const EventStream: typeof import('heartwire').EventStream;
  declare const useState: typeof import('react').useState;
  declare const ref: typeof import('vue').ref;
  declare const props: { readonly id: string };
  declare const session: { freshToken(): Promise<string> };
  declare function draw(what: unknown): void;
  declare function show(...what: unknown[]): void;
  declare function report(...what: unknown[]): void;
  declare function reload(): void;
`;
const TSCONFIG = { extends: '../types/tsconfig.json', compilerOptions: { jsx: 'react-jsx', noUnusedLocals: false }, include: ['.'] };

let folder;
before(async () => {
  // Inside the package, which the blocks import by its name.
  folder = await mkdtemp(join(here, 'docs-'));
});
after(() => rm(folder, { recursive: true }));

test('the blocks in TypeScript compile', async () => {
  const all = [guide, readme].flatMap((text) => [
    ...blocks(text, 'ts').map((code) => [code, 'ts']),
    ...blocks(text, 'tsx').map((code) => [code, 'tsx']),
  ]);
  assert.ok(all.length >= 6, `${all.length} blocks`);
  await Promise.all([
    writeFile(join(folder, 'prelude.d.ts'), PRELUDE),
    writeFile(join(folder, 'tsconfig.json'), JSON.stringify(TSCONFIG)),
    ...all.map(([code, extension], i) => writeFile(join(folder, `block-${i}.${extension}`), `${code}\nexport {};\n`)),
  ]);
  const output = await new Promise((resolve) => {
    execFile(process.execPath, [compiler, '--project', folder], (_, stdout) => resolve(stdout));
  });
  assert.equal(output, '');
});

test('each block in JavaScript runs, and gets to show something', async () => {
  const server = await serve(({ path }, response) => {
    if (path === '/events') {
      accept(
        response,
        hello(),
        event('message', 'a message', 'a-1'),
        event('progress', { percent: 50 }, 'a-2'),
        event('done', { file: 'a file' }, 'a-3'),
      );
    } else {
      reply(response, 404, { detail: 'there is no such stream', code: 'not-found' });
    }
  });
  // It is over when it has shown something: a stream would keep it alive.
  const stage = `
    globalThis.location = new URL('${server.origin}');
    globalThis.show = (...what) => process.stdout.write(what.join(' '), () => process.exit());
  `;
  const all = blocks(guide, 'js');
  assert.ok(all.length >= 4, `${all.length} blocks`);
  await Promise.all(
    all.map(async (code, i) => {
      const file = join(folder, `block-${i}.mjs`);
      await writeFile(file, `${stage}\n${code}`);
      const shown = await new Promise((resolve, reject) => {
        execFile(process.execPath, [file], (failure, stdout) => (failure ? reject(failure) : resolve(stdout)));
      });
      assert.notEqual(shown, '', code);
    }),
  );
  await server.close();
});
