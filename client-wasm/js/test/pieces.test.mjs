// Streams made of dice, cut into pieces anywhere: over fetch a page is told what a reader makes of them that was written
// from the standard, whatever its listeners do meanwhile.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { EventStream, init } from '../dist/heartwire.js';
import { dice, eachSeed } from './dice.mjs';
import { state, wasm } from './host.mjs';

const TYPES = ['message', 'tick', 'tock', 'zwölf 🌊', 'open', 'error'];
const CONTROL_TYPES = ['connected', 'heartbeat', 'gap', 'expiring'];
const VALUES = [
  '', 'x', ' x', '  x ', 'a:b', ':', '\t', 'a longer one, so that a slice of it is no copy', 'ünï', '\u2028', '\ufeff', '\ufffd', '🌊', '\0',
  // What is not UTF-8: a byte that never is, a character that breaks off, one that is too long, half of a pair.
  ...[[0xff], [0xe2, 0x82], [0xf0, 0x9f, 0x8c], [0xc0, 0xaf], [0xed, 0xa0, 0x80]].map((bytes) => Buffer.from(bytes)),
];
const SEQUENCE = /^a-(\d+)$/;

before(() => init(wasm));

/** [spec] "Parsing an event stream" and "Interpreting an event stream". */
function read(bytes) {
  const events = [];
  let [type, data, idBuffer, id, nIds] = ['', '', '', '', 0];
  const lines = new TextDecoder().decode(bytes).split(/\r\n|\n|\r/);
  // What follows the last line end is no line.
  for (const line of lines.slice(0, -1)) {
    const [, name, value] = /^([^:]*)(?:: ?(.*))?$/su.exec(line);
    if (line === '') {
      nIds += Number(id !== idBuffer);
      id = idBuffer;
      if (data) {
        events.push({ type: type || 'message', data: data.slice(0, -1), id, nIds });
      }
      type = data = '';
    } else if (name === 'event') {
      type = value ?? '';
    } else if (name === 'data') {
      data += `${value ?? ''}\n`;
    } else if (name === 'id' && !value?.includes('\0')) {
      idBuffer = value ?? '';
    }
  }
  return events;
}

/** A stream: bytes, and what its frames hold. */
function write({ below, pick }) {
  const parts = [pick(['', '', '', '\ufeff'])];
  const frames = new Map();
  // Whether there is anything in this stream that is not ASCII.
  const values = below(3) ? VALUES : VALUES.slice(0, 8);
  let sequence = 0;
  const ids = () => pick([`a-${(sequence += 1)}`, `a-${(sequence += 1)}`, `a-${sequence}`, '', pick(values)]);
  const line = (name, value) => {
    const [colon, end] = [pick([':', ': ', ': ']), pick(['\n', '\n', '\n', '\r\n', '\r'])];
    parts.push(name, ...(value === '' && below(2) ? [] : [colon, value]), end);
  };
  const end = pick(['\n', '\n', '\r\n', '\r']);
  for (let n = pick([3, 30, 300]); n > 0; n -= 1) {
    const kind = below(13);
    const block = [];
    if (kind < 8) {
      block.push(['event', pick(TYPES)], ['data', pick(values)]);
    } else if (kind < 9) {
      const payload = `${pick(TYPES)} ${n} `.repeat(below(50));
      const frame = pick([gzipSync(payload).toString('base64'), 'rubbish']);
      frames.set(frame, frame === 'rubbish' ? undefined : payload);
      block.push(['event', `${pick(TYPES)}+gzip`], ['data', frame]);
    } else if (kind < 10) {
      const [type, said] = pick([
        ['connected', { protocol: 1, heartbeat_interval_ms: null, resumed: true, time_ms: 1 }],
        ['heartbeat', { time_ms: n }],
        ['expiring', { expires_in_ms: 1_000_000 }],
        [pick(CONTROL_TYPES), 'rubbish'],
      ]);
      block.push(['event', type], ['data', JSON.stringify(said)]);
    } else if (kind < 11) {
      const to = pick([`a-${(sequence += 1)}`, `a-${sequence}`, 'x']);
      block.push(['event', 'gap'], ['data', JSON.stringify({ from: null, to, reason: 'lagged' })], ['id', to]);
    } else {
      const names = ['data', 'event', 'id', 'retry', 'foo', '', 'Data', 'data ', 'ids'];
      block.push(...Array.from({ length: below(4) }, () => [pick(names), pick(values)]));
    }
    if (below(3) && block.at(-1)?.[0] !== 'id') {
      block.splice(below(block.length + 1), 0, ['id', ids()]);
    }
    if (below(8) === 0) {
      block.splice(below(block.length + 1), 0, pick([['event', pick(TYPES)], ['data', pick(values)], ['', pick(values)]]));
    }
    block.forEach(([name, value]) => line(name, value));
    parts.push(end);
  }
  return { bytes: Buffer.concat(parts.map((part) => Buffer.from(part))), frames };
}

function* cut(bytes, { below, pick }) {
  const longest = pick([1, 7, 100, 10_000]) + 1;
  for (let start = 0; start < bytes.length; ) {
    const end = Math.min(start + below(longest) + below(2), bytes.length);
    yield new Uint8Array(bytes.subarray(start, end));
    start = end;
  }
}

/** Whether a control event says what its type has to say. */
function isSaid(type, data) {
  const member = { connected: 'protocol', heartbeat: 'time_ms', gap: 'to', expiring: 'expires_in_ms' }[type];
  try {
    return member in JSON.parse(data);
  } catch {
    return false;
  }
}

/**
 * What a page has to be told, each with its resume point by then.
 *
 * @param heard - Called with each event that it is given, as its listeners are. They may ask for more types.
 */
function expected({ bytes, frames }, types, heard) {
  let [place, isOfControl, nIdsBefore] = ['', false, 0];
  const story = [];
  const tell = (line) => story.push(`${line} | ${place}`);
  const sequenceOf = (id) => Number(SEQUENCE.exec(id)?.[1] ?? NaN);
  const isHad = (id) => sequenceOf(id) <= sequenceOf(place);
  const goOnAfter = (id, byControl) => {
    if (id && !isHad(id)) {
      [place, isOfControl] = [id, byControl];
    }
  };
  for (const { type, data, id, nIds } of read(bytes)) {
    const inner = type.replace(/\+gzip$/, '');
    if (CONTROL_TYPES.includes(type)) {
      if (!isSaid(type, data)) {
        tell('error bad-control');
      } else {
        const { to } = JSON.parse(data);
        if (type === 'gap' && isHad(to)) {
          // The page has come past it.
          continue;
        }
        goOnAfter(id || to, true);
        if (type !== 'connected') {
          tell(type);
        }
      }
    } else if (types.has(inner) || inner === 'open' || inner === 'error') {
      // An event without an id of its own is none that the page has had.
      const isNew = nIds !== nIdsBefore;
      nIdsBefore = nIds;
      if (isNew && isHad(id) && !(isOfControl && id === place)) {
        continue;
      }
      if (isNew) {
        goOnAfter(id, false);
      }
      const payload = type === inner ? data : frames.get(data);
      if (payload === undefined) {
        tell('error bad-frame');
        continue;
      }
      tell(`${inner} ${JSON.stringify(payload)} ${JSON.stringify(id)}`);
      if (heard() === 'closed') {
        break;
      }
    }
  }
  return story;
}

test('a stream of dice is told as the standard has it', () =>
  eachSeed(80, async (seed) => {
    const random = dice(seed);
    const written = write(random);
    const { below, pick } = random;
    // What the listeners do at the n-th event.
    const acts = new Map(Array.from({ length: below(6) }, () => [below(20), pick(['listen', 'listen', 'grow', 'close'])]));
    const more = new Map([...acts.keys()].map((n) => [n, pick(TYPES)]));
    const types = new Set(['open', 'error', ...TYPES.filter(() => below(3))]);

    const pieces = [...cut(written.bytes, random)];
    globalThis.fetch = async () => new Response(ReadableStream.from(pieces), { headers: { 'content-type': 'text/event-stream' } });
    const stream = new EventStream('http://hub.test/events', { polling: false, maxReconnectAttempts: 0 });
    const closed = state(stream, 'closed');
    const story = [];
    const tell = (line) => story.push(`${line} | ${stream.lastEventId}`);
    let n = 0;
    const hear = (event) => {
      if (!(event instanceof MessageEvent)) {
        return;
      }
      tell(`${event.type} ${JSON.stringify(event.data)} ${JSON.stringify(event.lastEventId)}`);
      const act = acts.get(n);
      if (act === 'listen') {
        stream.addEventListener(more.get(n), hear);
      } else if (act === 'grow') {
        // The memory of the instance.
        stream.addEventListener(`${n} `.repeat(100_000), hear);
      } else if (act === 'close') {
        stream.close();
      }
      n += 1;
    };
    types.forEach((type) => stream.addEventListener(type, hear));
    ['heartbeat', 'gap', 'expiring'].forEach((type) => stream.addEventListener(type, () => tell(type)));
    stream.addEventListener('error', ({ code }) => /^bad-/.test(code) && tell(`error ${code}`));
    await closed;

    let m = 0;
    const toTell = expected(written, types, () => {
      const act = acts.get(m);
      if (act === 'listen') {
        types.add(more.get(m));
      }
      m += 1;
      return act === 'close' && 'closed';
    });
    assert.deepEqual(story, toTell);
  }));
