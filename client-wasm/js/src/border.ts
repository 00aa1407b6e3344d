/**
 * The border to the WebAssembly. Only numbers cross it: these stand for words, and texts are read and written in
 * the instance's memory.
 */

/** What happened. Each is explained in `client-wasm/src/words.rs`, where the same words stand in the same order. */
export const enum Happening {
  Start,
  Opened,
  Event,
  Chunk,
  Connected,
  Heartbeat,
  Gap,
  Closing,
  Expiring,
  Lost,
  PollDone,
  PollFailed,
  Health,
  HealthFailed,
  SetEnabled,
  Offline,
  Online,
  Paused,
  Woke,
  Due,
  Close,
  Listen,
}

/** What is to be done. */
export const enum Told {
  Nothing,
  OpenStream,
  CloseStream,
  Poll,
  CancelPoll,
  AskHealth,
  Deliver,
  Slices,
  Copy,
  Frame,
  Control,
  State,
  Heartbeat,
  Gap,
  Expiring,
  Trouble,
}

/** How the client behaves. */
export const enum Setting {
  Seed,
  Resume,
  Frames,
  Enabled,
  Polling,
  HeartbeatTimeout,
  ConnectTimeout,
  BaseReconnectDelay,
  MaxReconnectDelay,
  MaxReconnectAttempts,
  HealthyAfter,
  PollInterval,
  PollWait,
  ProbeInterval,
  RenewsToken,
}

/** Where a stream or a poll begins. */
export const enum Resume {
  Live,
  Earliest,
  After,
}

/** How texts are read and written in the memory of an instance. */
export type TextExports = {
  readonly memory: WebAssembly.Memory;
  room(nBytes: number): number;
  text(): number;
  text_bytes(): number;
};

/** What an instance exports. Each function is explained in `client-wasm/src/border.rs`. */
export type Exports = TextExports & {
  set(setting: Setting, value: number): void;
  handle(happening: Happening, link: number, number: number, other: number, now: number): void;
  next(): Told;
  numbers(): number;
  slices(): number;
  count_units(): void;
  last_event_id(): void;
  deadline(): number;
  counter(index: number): number;
};

/** What ends each text but the last, where a message has several. */
export const END_OF_TEXT = '\0';

/** As many numbers belong to what is told as one has at the most. */
export const N_NUMBERS = 6;
/** So many events are told as slices at once at the most, each with so many numbers. */
const N_SLICES = 128;

/** Gives the numbers that belong to what was told last, and the places of the events that were told as slices. */
export function numbers({ memory, numbers, slices }: Exports) {
  let told = new Float64Array();
  let places = new Uint32Array();
  // The memory may have grown, which leaves each view of it empty.
  return {
    figures: () => (told.length ? told : (told = new Float64Array(memory.buffer, numbers() >>> 0, N_NUMBERS))),
    places: () => (places.length ? places : (places = new Uint32Array(memory.buffer, slices() >>> 0, N_NUMBERS * N_SLICES))),
  };
}

/** Texts to and from an instance. */
export function texts({ memory, room, text, text_bytes }: TextExports) {
  const encoder = new TextEncoder();
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

  const write = (bytes: Uint8Array) => {
    const address = room(bytes.length) >>> 0;
    // A view of its own each time: the memory may have grown, which leaves older ones empty.
    new Uint8Array(memory.buffer, address, bytes.length).set(bytes);
  };
  /** A view of the text that belongs to what was told last, or of a part of it: from one byte to another. Good until the next call. */
  const view = (from = 0, to = text_bytes()) => new Uint8Array(memory.buffer, (text() >>> 0) + from, to - from);
  return {
    view,
    /** Writes what the next call is about. */
    write,
    /** Writes texts, each ended but the last. By hand where they are ASCII, as ids are: a browser's encoder takes ten times as long. */
    writeText(...parts: string[]) {
      const text = parts.join(END_OF_TEXT);
      const address = room(text.length) >>> 0;
      // After that, since the memory may have grown.
      const bytes = new Uint8Array(memory.buffer, address, text.length);
      for (let i = 0; i < text.length; i += 1) {
        const unit = text.charCodeAt(i);
        if (unit > 0x7f) {
          write(encoder.encode(text));
          return;
        }
        bytes[i] = unit;
      }
    },
    /** Reads that as text. */
    read: (from?: number, to?: number) => decoder.decode(view(from, to)),
  };
}
