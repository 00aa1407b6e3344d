// heartwire/vue in Vue itself.
import assert from 'node:assert/strict';
import { before, beforeEach, test } from 'node:test';
import { init } from '../../dist/heartwire.js';
import { FakeEventSource, made, reset, wasm } from '../host.mjs';
import { bundled, openPage, settled } from './page.mjs';

before(() => init(wasm));
beforeEach(reset);

openPage();
const { createApp, createSSRApp, effectScope, h, nextTick, ref, renderToString, useEventStream } = await bundled(`
  export { createApp, createSSRApp, effectScope, h, nextTick, ref } from 'vue';
  export { renderToString } from 'vue/server-renderer';
  export { useEventStream } from 'heartwire/vue';
`);

/** A component that shows the state; what it is given goes to the composable. */
const show = (...arguments_) => ({
  setup() {
    const { state, stream } = useEventStream(...arguments_);
    return () => h('p', `${state.value} ${stream.value?.url ?? 'nowhere'}`);
  },
});

test('a mounted component has one stream, and unmounting closes it for good', async () => {
  const main = openPage();
  const heard = [];
  const app = createApp(show('/events', { progress: ({ data }) => heard.push(data) }, { topics: 'a' }));
  const making = made();
  app.mount(main);
  const source = await making;
  assert.equal(source.url.href, 'http://hub.test/events?topic=a&frames=gzip');
  assert.equal(main.textContent, 'connecting http://hub.test/events?topic=a');
  source.greet();
  source.send('progress', 'one', 'a-1');
  await nextTick();
  assert.equal(main.textContent, 'open http://hub.test/events?topic=a');
  assert.deepEqual(heard, ['one']);
  app.unmount();
  assert.equal(source.readyState, 2);
  await settled();
  assert.equal(FakeEventSource.made.length, 1);
});

test('a component that goes at once never opens its stream', async () => {
  const app = createApp(show('/events', {}));
  app.mount(openPage());
  app.unmount();
  await settled();
  assert.equal(FakeEventSource.made.length, 0);
});

test('another address or other options are another stream, and null is none', async () => {
  const main = openPage();
  const [url, topics] = [ref('/events'), ref(['a'])];
  const app = createApp(show(url, {}, () => ({ topics: topics.value })));
  const changes = [() => app.mount(main), () => (topics.value = ['b']), () => (url.value = '/others')];
  for (const change of changes) {
    const making = made();
    change();
    await making;
  }
  assert.deepEqual(FakeEventSource.made.map(({ url }) => url.pathname + url.search.split('&')[0]), [
    '/events?topic=a', '/events?topic=b', '/others?topic=b',
  ]);
  assert.deepEqual(FakeEventSource.made.map(({ readyState }) => readyState), [2, 2, 0]);
  url.value = null;
  await nextTick();
  assert.equal(FakeEventSource.made[2].readyState, 2);
  assert.match(main.textContent, /^closed/);
  app.unmount();
});

test('a scope without a component closes it as well', async () => {
  const scope = effectScope();
  const making = made();
  scope.run(() => useEventStream('/events', {}));
  const source = await making;
  scope.stop();
  assert.equal(source.readyState, 2);
});

test('a server renders it, and opens nothing', async () => {
  delete globalThis.document;
  assert.equal(await renderToString(createSSRApp(show('/events', {}))), '<p>closed nowhere</p>');
  await settled();
  assert.equal(FakeEventSource.made.length, 0);
});
