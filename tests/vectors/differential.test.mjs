// Our decoder and npm's eventsource-parser read the same streams and must see the same events: the
// vectors by hand, and some thousands of generated ones.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { createParser } from 'eventsource-parser';

const N_GENERATED = 5_000;

/** Our decoder, over all streams in one process. */
function ours(streams) {
  const input = streams.map((stream) => stream.toString('base64')).join('\n');
  const output = execFileSync(
    'cargo',
    ['run', '--quiet', '--package', 'heartwire-protocol', '--example', 'decode'],
    { input: `${input}\n`, maxBuffer: 1 << 28, stdio: ['pipe', 'pipe', 'inherit'] },
  );
  return output.toString().trimEnd().split('\n').map((line) => JSON.parse(line));
}

function theirs(stream) {
  const events = [];
  let retry = null;
  const parser = createParser({
    onEvent({ event, data }) {
      events.push({ type: event || 'message', data });
    },
    onRetry(ms) {
      retry = ms;
    },
  });
  // The byte order mark is the parser's to skip, not the text decoder's.
  parser.feed(new TextDecoder('utf-8', { ignoreBOM: true }).decode(stream));
  return { events, retry_ms: retry };
}

function bytesOf(vector) {
  return vector.stream === undefined ? Buffer.from(vector.stream_base64, 'base64') : Buffer.from(vector.stream);
}

/** A small generator of random numbers (mulberry32), so that every run sees the same streams. */
function dice(seed) {
  let state = seed;
  return (sides) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % sides;
  };
}

function generate(seed) {
  const roll = dice(seed);
  const pick = (choices) => choices[roll(choices.length)];
  const name = () => pick(['data', 'data', 'data', 'event', 'id', 'retry', 'foo', '', 'Data', 'data ']);
  const value = () => pick(['', 'x', ' x', '  x ', 'a:b', ':', '7', '007', '1e3', 'ünï 🌊', '\u2028', '\ufeff', '\t']);
  let text = pick(['', '', '', '\ufeff']);
  for (let lines = roll(30); lines > 0; lines -= 1) {
    text += pick([`${name()}:${value()}`, `${name()}: ${value()}`, name(), `: ${value()}`, '', '']);
    text += pick(['\n', '\n', '\n', '\r\n', '\r']);
  }
  return Buffer.from(text);
}

/**
 * Ids are not compared: an id without data moves the standard's last event id, and the parser, which
 * leaves last event ids to its caller, reports no such id. The vectors by hand cover them.
 */
function withoutIds({ events, ...rest }) {
  return { ...rest, events: events.map(({ type, data }) => ({ type, data })) };
}

test('both read the vectors by hand alike', () => {
  const vectors = JSON.parse(readFileSync(new URL('./streams.json', import.meta.url), 'utf8'));
  const decoded = ours(vectors.map(bytesOf));
  vectors.forEach((vector, index) => {
    const { events, retry_ms } = decoded[index];
    assert.deepEqual({ events, retry_ms }, { events: vector.events, retry_ms: vector.retry_ms }, vector.name);
    assert.deepEqual(theirs(bytesOf(vector)), withoutIds({ events, retry_ms }), vector.name);
  });
});

test('both read generated streams alike', () => {
  const streams = Array.from({ length: N_GENERATED }, (_, seed) => generate(seed));
  const decoded = ours(streams);
  let nEvents = 0;
  streams.forEach((stream, index) => {
    const { events, retry_ms } = decoded[index];
    nEvents += events.length;
    assert.deepEqual(theirs(stream), withoutIds({ events, retry_ms }), JSON.stringify(stream.toString()));
  });
  assert.ok(nEvents > N_GENERATED, `the streams hold events: ${nEvents}`);
});
