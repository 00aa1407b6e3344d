// What the clients reach at `http://memory.test/`: servers without a network, so that nothing but the clients counts.
// One of event streams behind `fetch`, and one behind `WebSocket` for each of the protocols that are no event streams.
// Import it before the clients, some of which take hold of both as they are loaded.

/** What is sent: the data of each event. */
let messages = [];
/** The same as an event stream. */
let pieces = [];

const PIECE_BYTES = 16 * 1024;

/** @param bytes - The event stream that has these messages. */
export function keep(bytes, data) {
  messages = data;
  pieces = Array.from({ length: Math.ceil(bytes.length / PIECE_BYTES) }, (_, i) => bytes.slice(i * PIECE_BYTES, (i + 1) * PIECE_BYTES));
}

const { fetch } = globalThis;

/** A stream that stays open after its end. */
globalThis.fetch = async (url, init) => {
  if (new URL(url, globalThis.location?.href).hostname !== 'memory.test') {
    return fetch(url, init);
  }
  let next = 0;
  const body = new ReadableStream({
    start(controller) {
      init?.signal?.addEventListener('abort', () => controller.error(init.signal.reason));
    },
    pull(controller) {
      if (next < pieces.length) {
        // A reader may keep what it gets.
        controller.enqueue(pieces[next++].slice());
      }
    },
  });
  return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
};

/** How a server of each protocol answers what a client sends, and how it puts a message into a frame. */
const PROTOCOLS = {
  signalr: {
    hello: [],
    // The first thing that is sent is the handshake, and nothing else has to be answered.
    answer: () => ['{}\x1e'],
    begins: () => true,
    frame: (data) => `{"type":1,"target":"token","arguments":[${data}]}\x1e`,
  },
  'socket.io': {
    hello: ['0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}'],
    answer: () => ['40{"sid":"b"}'],
    begins: () => true,
    frame: (data) => `42["token",${data}]`,
  },
  centrifuge: {
    hello: [],
    answer: (sent) =>
      sent
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
        .map(({ id, connect }) => JSON.stringify(connect ? { id, connect: { client: 'a', version: '0' } } : { id, subscribe: {} })),
    begins: (sent) => sent.includes('subscribe'),
    frame: (data) => `{"push":{"channel":"token","pub":{"data":${data}}}}`,
  },
};

/** A frame is heard before the microtasks that it brought about are done, but not long before. */
const FRAMES_AT_ONCE = 100;

globalThis.WebSocket = class MemorySocket {
  static CONNECTING = 0;
  static OPEN = 1;
  static CLOSED = 3;

  readyState = MemorySocket.CONNECTING;
  #protocol;
  #begun = false;

  constructor(url) {
    this.#protocol = PROTOCOLS[new URL(url).pathname.split('/')[1]];
    queueMicrotask(() => {
      this.readyState = MemorySocket.OPEN;
      this.onopen?.({});
      this.#protocol.hello.forEach((frame) => this.#say(frame));
    });
  }

  send(sent) {
    queueMicrotask(async () => {
      if (this.#begun) {
        return;
      }
      const { answer, begins, frame } = this.#protocol;
      this.#begun = begins(sent);
      answer(sent).forEach((frame) => this.#say(frame));
      for (let i = 0; this.#begun && i < messages.length; i += 1) {
        this.#say(frame(messages[i]));
        if (i % FRAMES_AT_ONCE === 0) {
          await null;
        }
      }
    });
  }

  close() {
    this.readyState = MemorySocket.CLOSED;
  }

  #say(data) {
    this.onmessage?.({ data });
  }
};
