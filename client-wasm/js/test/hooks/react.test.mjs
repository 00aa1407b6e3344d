// heartwire/react in React itself, under StrictMode, in both versions that it is for.
import assert from 'node:assert/strict';
import { before, beforeEach, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { init } from '../../dist/heartwire.js';
import { FakeEventSource, made, reset, wasm } from '../host.mjs';
import { bundled, openPage, settled } from './page.mjs';

const ENTRY = `
  export * as React from 'react';
  export { createRoot } from 'react-dom/client';
  export { renderToString } from 'react-dom/server';
  export { useEventStream } from 'heartwire/react';
`;

const older = (name) => fileURLToPath(new URL(`../../../../tests/react-18/node_modules/${name}`, import.meta.url));

// React's `act` makes one for each of its turns and closes none; open ones would keep this process alive.
globalThis.MessageChannel = class {
  port1 = { onmessage: null };
  port2 = { postMessage: () => setImmediate(() => this.port1.onmessage()) };
};

before(() => init(wasm));
beforeEach(reset);

// A link changes by itself, outside of any `act`, of which React complains.
const { error } = console;
console.error = (...words) => String(words[0]).includes('act(') || error(...words);

// Both are there before the first test begins: one that was fetched meanwhile would find the document of a test,
// or none, where a server is played.
globalThis.IS_REACT_ACT_ENVIRONMENT = true;
openPage();
const versions = [
  ['19', await bundled(ENTRY)],
  ['18', await bundled(ENTRY, { alias: { react: older('react'), 'react-dom': older('react-dom') } })],
];

for (const [version, { React, createRoot, renderToString, useEventStream }] of versions) {
  const { act, createElement, StrictMode } = React;

  /** A component that shows the state; what it is given goes to the hook. */
  const Show = ({ url = '/events', listeners = {}, options }) => useEventStream(url, listeners, options).state;
  const strict = (props) => createElement(StrictMode, null, createElement(Show, props));
  const name = (story) => `React ${version}: ${story}`;

  /** Renders and waits for the EventSource that comes of it. */
  async function mounted(props) {
    const main = openPage();
    const root = createRoot(main);
    const making = made();
    await act(() => root.render(strict(props)));
    const source = await act(() => making);
    return { main, root, source, render: (next) => act(() => root.render(strict(next))) };
  }

  test(name('the version is the one that is meant'), () => assert.equal(React.version.split('.')[0], version));

  test(name('StrictMode opens one stream, and unmounting closes it for good'), async () => {
    const heard = [];
    const { main, root, source } = await mounted({ options: { topics: 'a' }, listeners: { progress: ({ data }) => heard.push(data) } });
    assert.equal(source.url.href, 'http://hub.test/events?topic=a&frames=gzip');
    assert.equal(main.textContent, 'connecting');
    await act(() => source.greet());
    assert.equal(main.textContent, 'open');
    source.send('progress', 'one', 'a-1');
    assert.deepEqual(heard, ['one'], 'once, though the effect ran twice');
    await act(settled);
    assert.equal(FakeEventSource.made.length, 1);
    await act(() => root.unmount());
    assert.equal(source.readyState, 2);
    await settled();
    assert.equal(FakeEventSource.made.length, 1, 'no zombie');
  });

  test(name('the listeners of the last render are called, new ones too, and nothing is opened anew for them'), async () => {
    const heard = [];
    const { root, source, render } = await mounted({ listeners: { progress: ({ data }) => heard.push(`first ${data}`) } });
    await act(() => source.greet());
    await render({ listeners: { progress: ({ data }) => heard.push(`second ${data}`), done: ({ data }) => heard.push(`done ${data}`) } });
    source.send('progress', 'one', 'a-1');
    source.send('done', 'two', 'a-2');
    await render({ listeners: {} });
    source.send('progress', 'three', 'a-3');
    assert.deepEqual(heard, ['second one', 'done two']);
    assert.equal(FakeEventSource.made.length, 1);
    await act(() => root.unmount());
  });

  test(name('another address or other options are another stream; equal ones are not'), async () => {
    const { main, root, source, render } = await mounted({ options: { topics: ['a'] } });
    await render({ options: { topics: ['a'] } });
    assert.equal(FakeEventSource.made.length, 1);
    for (const props of [{ options: { topics: ['b'] } }, { url: '/others', options: { topics: ['b'] } }]) {
      const last = FakeEventSource.made.at(-1);
      const making = made();
      await render(props);
      assert.equal(last.readyState, 2, 'closed before the next one opens');
      await act(() => making);
    }
    assert.deepEqual(FakeEventSource.made.map(({ url }) => url.pathname + url.search.split('&')[0]), [
      '/events?topic=a', '/events?topic=b', '/others?topic=b',
    ]);
    await render({ url: null });
    assert.equal(FakeEventSource.made.at(-1).readyState, 2);
    assert.equal(main.textContent, 'closed');
    assert.equal(source.readyState, 2);
    await act(() => root.unmount());
  });

  test(name('options that have no JSON are no trouble'), async () => {
    const ring = { '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value }) } };
    ring.ring = ring;
    const options = { validate: { progress: ring }, signal: new AbortController().signal };
    const { root, render } = await mounted({ options });
    await render({ options: { ...options } });
    assert.equal(FakeEventSource.made.length, 1);
    await act(() => root.unmount());
  });

  test(name('a server renders it, and opens nothing'), async () => {
    delete globalThis.document;
    assert.equal(renderToString(strict({})), 'closed');
    await settled();
    assert.equal(FakeEventSource.made.length, 0);
  });

  test(name('an option that makes no sense goes to the error boundary'), async () => {
    class Boundary extends React.Component {
      state = {};
      static getDerivedStateFromError = (error) => ({ error });
      render() {
        return this.state.error ? this.state.error.message : this.props.children;
      }
    }
    const main = openPage();
    const { error: complain } = console;
    console.error = () => {};
    const root = createRoot(main, { onCaughtError: () => {} });
    // React 18 in development lets the window hear of it, too.
    window.addEventListener('error', (event) => event.preventDefault());
    await act(() => root.render(createElement(Boundary, null, strict({ options: { topic: 'a' } }))));
    console.error = complain;
    assert.equal(main.textContent, 'heartwire: there is no option "topic"');
    await act(() => root.unmount());
  });
}
