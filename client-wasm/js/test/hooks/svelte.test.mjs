// heartwire/svelte in Svelte itself.
import assert from 'node:assert/strict';
import { before, beforeEach, test } from 'node:test';
import { compile } from 'svelte/compiler';
import { init } from '../../dist/heartwire.js';
import { FakeEventSource, made, reset, wasm } from '../host.mjs';
import { bundled, openPage, settled } from './page.mjs';

const SHOW = `
<script>
  import { useEventStream } from 'heartwire/svelte';
  const { url = '/events', listeners = {}, options } = $props();
  const link = useEventStream(url, listeners, options);
</script>
<p>{$link.state} {$link.stream?.url ?? 'nowhere'}</p>
`;

/** Bundles the component for a page or for a server. */
const built = (generate, more) =>
  bundled(`export { default as Show } from 'show.svelte'; ${more}`, {
    conditions: generate === 'client' ? ['svelte', 'browser'] : ['svelte'],
    plugins: [
      {
        name: 'svelte',
        setup({ onResolve, onLoad }) {
          onResolve({ filter: /^show\.svelte$/ }, ({ path }) => ({ path, namespace: 'svelte' }));
          onLoad({ filter: /./, namespace: 'svelte' }, () => ({
            contents: compile(SHOW, { generate, filename: 'Show.svelte' }).js.code,
            resolveDir: new URL('.', import.meta.url).pathname,
          }));
        },
      },
    ],
  });

before(() => init(wasm));
beforeEach(reset);

openPage();
const { Show, flushSync, mount, unmount, writable } = await built(
  'client',
  "export { flushSync, mount, unmount } from 'svelte'; export { writable } from 'svelte/store';",
);

async function mounted(props) {
  const target = openPage();
  const making = made();
  const component = mount(Show, { target, props });
  flushSync();
  return { target, component, source: await making };
}

test('a mounted component has one stream, and unmounting closes it for good', async () => {
  const heard = [];
  const { target, component, source } = await mounted({ listeners: { progress: ({ data }) => heard.push(data) }, options: { topics: 'a' } });
  assert.equal(source.url.href, 'http://hub.test/events?topic=a&frames=gzip');
  assert.equal(target.textContent, 'connecting http://hub.test/events?topic=a');
  source.greet();
  source.send('progress', 'one', 'a-1');
  flushSync();
  assert.equal(target.textContent, 'open http://hub.test/events?topic=a');
  assert.deepEqual(heard, ['one']);
  await unmount(component);
  assert.equal(source.readyState, 2);
  await settled();
  assert.equal(FakeEventSource.made.length, 1);
});

test('a store of addresses opens a stream for each, and null is none', async () => {
  const url = writable('/events');
  const { target, component, source } = await mounted({ url, options: () => ({ topics: 'a' }) });
  const making = made();
  url.set('/others');
  assert.equal(source.readyState, 2);
  const second = await making;
  assert.equal(second.url.pathname, '/others');
  url.set(null);
  flushSync();
  assert.equal(second.readyState, 2);
  assert.match(target.textContent, /^closed/);
  url.set('/events');
  await unmount(component);
  await settled();
  assert.equal(FakeEventSource.made.length, 2, 'closed before it opened');
});

test('an address that is set by a listener has its stream shown at once, and not the end of the one before', async () => {
  const url = writable('/events');
  const { target, component, source } = await mounted({ url, listeners: { done: () => url.set('/others') } });
  source.greet();
  const making = made();
  source.send('done', '', 'a-1');
  flushSync();
  assert.equal(target.textContent, 'connecting http://hub.test/others');
  await making;
  await unmount(component);
});

test('a server renders it, and opens nothing', async () => {
  delete globalThis.document;
  const { Show, render } = await built('server', "export { render } from 'svelte/server';");
  assert.match(render(Show, { props: {} }).body, /<p>closed nowhere<\/p>/);
  await settled();
  assert.equal(FakeEventSource.made.length, 0);
});
