/**
 * What happened goes into the WebAssembly; what that says is to be done is done.
 *
 * The driver owns an instance and whatever is open at the moment: the stream, a poll, a question after the server's
 * health. It decides nothing.
 *
 * A page's listener may close the connection, throw the switch or add a listener. The instance takes that in at once;
 * whatever arrives from outside meanwhile waits in the inbox, so that each event is dealt with before the next.
 */

import { addresses } from './address.js';
import { Alarm } from './alarm.js';
import { isPollAnswer, isRefusal, type Refusal } from './answers.js';
import { type Exports, END_OF_TEXT, Happening, N_NUMBERS, numbers, Resume, Setting, texts, Told } from './border.js';
import { Clock } from './clock.js';
import { readControl } from './control.js';
import { COUNTERS, type Engine } from './engine.js';
import type { GapReason, State, StateDetail } from './events.js';
import type { Life } from './life.js';
import type { Opener } from './frames.js';
import { FRAME_SUFFIX, openSource } from './source.js';

/** Whether this is `heartwire/lean`, which has no polling and no shared streams. */
declare const LEAN: boolean;

/** So often a page that is looked at sees to it that the machine has not slept. */
const TICK_MS = 400;
/** A timer that is so late was not only kept waiting: the page was frozen, or the machine slept and its clock ran on. */
const LATE_MS = 5_000;
/** The timers of a hidden page are up to a minute late anyway. */
const LATE_HIDDEN_MS = 120_000;

/** What the machine makes of the life of a page. When it is looked at or not, what is due may be overdue. */
const LIFE: { readonly [What in Life]: Happening } = {
  offline: Happening.Offline,
  online: Happening.Online,
  paused: Happening.Paused,
  woke: Happening.Woke,
  hidden: Happening.Due,
  shown: Happening.Due,
};

const STATES: readonly State[] = ['connecting', 'open', 'waiting', 'polling', 'closed'];

/** What a `TextDecoder` puts in the place of what is not UTF-8. */
const REPLACEMENT = '\ufffd';

/** The options that cross the border as they are, in the order of {@link Setting}. */
const NUMBERS = [
  'heartbeatTimeout',
  'connectTimeout',
  'baseReconnectDelay',
  'maxReconnectDelay',
  'maxReconnectAttempts',
  'healthyAfter',
  'pollInterval',
  'pollWait',
  'probeInterval',
] as const;

/** Something that is open, under the number by which the machine knows it. */
interface Open {
  readonly link: number;
  close(): void;
}

/**
 * The engine in this instance. It makes one connection.
 *
 * @param broke - Told when the instance has failed, and whatever was open is closed: the id of the last event that the
 * page was given, after which another one would go on.
 */
export const driver =
  (instance: Exports, broke: (lastEventId: string, failure: unknown) => void): Engine =>
  (url, options, sink) => {
    const { set } = instance;
    const { figures, places } = numbers(instance);
    const number = (index: number) => figures()[index]!;
    const { read, view, write, writeText } = texts(instance);
    const { compression = true, withCredentials = false, fetch: overFetch } = options;
    const address = addresses(url, compression);

    const clock = new Clock();
    let hidden = false;
    const inbox: (() => void)[] = [];
    let busy = false;
    /** What opens frames is being loaded, and everything waits for the first of them. */
    let loading = false;
    let closed = false;
    const alarm = new Alarm((at) =>
      take(() => handle(clock.now - at < (hidden ? LATE_HIDDEN_MS : LATE_MS) ? Happening.Due : Happening.Woke)),
    );

    const types: string[] = [];
    let source: ReturnType<typeof openSource> | undefined;
    let stream: Open | undefined;
    let poll: Open | undefined;
    let health: Open | undefined;
    /** Gives the page the event that was just handed in. */
    let deliver = () => {};
    /** Opens frames, once the first of them has had it loaded. */
    let open: Opener | undefined;
    let [nDelivered, nFrames, nBadFrames, nBytesSaved] = [0, 0, 0, 0];
    /** The text of the events of the last piece of a stream; it crosses the border at most once. */
    let batch: string | undefined;
    let lastType = '';
    /** Why the last stream or poll was refused: each reason is told once, */
    let lastRefusal: string | undefined;
    /** and not at all where the state has said it. */
    let lastReason = '';
    /** The id of what the page was given last, or told of. The machine may be further, by what waits to be given. */
    let lastId = options.lastEventId || (options.from ? '' : address.lastEventId);
    let broken = false;

    // What happened.

    const handle = (happening: Happening, link = 0, number = 0, other = 0) =>
      instance.handle(happening, link, number, other, clock.now);

    /** Looks at the clock: what is taken in now came at one moment. */
    const look = () => {
      if (clock.read()) {
        handle(Happening.Woke);
      }
    };

    /** Does what needs the instance, should that be well. A trap leaves its memory in no state to go on with. */
    const attempt = (act: () => void) => {
      if (broken) {
        return;
      }
      try {
        act();
      } catch (failure) {
        if (broken) {
          // It broke within a listener of what we are about here, and was dealt with there.
          return;
        }
        broken = true;
        alarm.clear();
        stream?.close();
        poll?.close();
        health?.close();
        broke(lastId, failure);
      }
    };

    /** Takes in what arrived, and does what is to be done then. */
    const take = (arrival: () => void) => {
      inbox.push(arrival);
      attempt(run);
    };

    /** Whether everything has to wait, or there is nothing to wait for any more. A page that closes does not wait. */
    const waits = () => broken || (loading && !closed);

    const run = () => {
      if (busy || waits()) {
        return;
      }
      busy = true;
      perform();
      for (let arrival; !waits() && (arrival = inbox.shift()); ) {
        look();
        arrival();
        perform();
      }
      setAlarm();
      busy = false;
    };

    const trouble = (code: string, message: string) => {
      if (!closed) {
        sink.error(code, message);
      }
    };

    /** The page has had everything up to where the machine would go on. */
    const reach = () => {
      instance.last_event_id();
      lastId = read() || lastId;
    };

    /** Hands in a control event. */
    const control = (link: number, type: string, data: string, id: string) => {
      const said = readControl(type, data);
      if (!said) {
        trouble('bad-control', 'a control event cannot be read');
        return;
      }
      const [happening, texts, ...numbers] = said;
      writeText(id, ...texts);
      handle(happening, link, ...numbers);
      reach();
    };

    const event = (link: number, id: string, then: () => void) => {
      deliver = then;
      writeText(id);
      handle(Happening.Event, link);
    };

    const openFrame = (type: string, data: string | Uint8Array, id: string) => {
      if (!open) {
        loading = true;
        const kept = data.slice();
        const goOn = (act: () => void) =>
          attempt(() => {
            loading = false;
            busy = true;
            act();
            busy = false;
            run();
          });
        import('./frames.js')
          .then(({ opener }) => opener())
          .then(
            (loaded) => {
              open = loaded;
              goOn(() => openFrame(type, kept, id));
            },
            () => goOn(() => badFrame(id, 'what opens frames cannot be loaded')),
          );
        return;
      }
      const [isOpen, text, nBytes] = open(data, options.maxFrameBytes ?? 0);
      if (!isOpen) {
        badFrame(id, text);
      } else if (!closed) {
        nFrames += 1;
        nBytesSaved += nBytes - data.length;
        give(type.slice(0, -FRAME_SUFFIX.length), text, id);
      }
    };

    /** It counts as seen: it would be no better another time. */
    const badFrame = (id: string, why: string) => {
      lastId = id || lastId;
      nBadFrames += 1;
      trouble('bad-frame', why);
    };

    const give = (type: string, data: string, id: string, origin?: string) => {
      lastId = id || lastId;
      nDelivered += 1;
      sink.deliver(type, data, id, origin);
    };

    const lost = (link: number) => handle(Happening.Lost, link, 0, NaN);

    const refused = (refusal: Refusal | undefined) => {
      const last = lastRefusal;
      lastRefusal = refusal?.code;
      if (refusal && refusal.code !== last && refusal.code !== lastReason) {
        trouble(refusal.code, refusal.detail);
      }
    };

    const polled = (link: number, isGood: boolean, retryAfter: number, answer: unknown) => {
      if (isGood && isPollAnswer(answer)) {
        lastRefusal = undefined;
        const { events, cursor, gap } = answer;
        if (gap) {
          writeText('', gap.from ?? '', gap.to, gap.reason);
          handle(Happening.Gap, link);
          reach();
          perform();
        }
        for (const { id, type, data } of events) {
          // What the page has not been given must not count as seen.
          if (closed) {
            return;
          }
          event(link, id, () => give(type, data, id));
          perform();
        }
        writeText(cursor);
        handle(Happening.PollDone, link);
        reach();
        return;
      }
      handle(Happening.PollFailed, link, retryAfter);
      perform();
      if (isGood) {
        refused({ code: 'bad-answer', detail: 'the answer to a poll cannot be read' });
      } else {
        refused(isRefusal(answer) ? answer : undefined);
      }
    };

    /** The end of a request. */
    const answered = (link: number, status: number, retryAfter: number, answer: unknown) => {
      const isGood = status >= 200 && status < 300;
      if (link === stream?.link) {
        const refusal = isRefusal(answer) ? answer : undefined;
        writeText(refusal?.code ?? '');
        handle(Happening.Lost, link, status, retryAfter);
        perform();
        refused(refusal);
      } else if (LEAN) {
        // Nothing else was asked.
      } else if (link === poll?.link) {
        polled(link, isGood, retryAfter, answer);
      } else if (link === health?.link) {
        const { enabled } = Object(answer);
        if (isGood && typeof enabled === 'boolean') {
          handle(Happening.Health, link, Number(enabled));
        } else {
          handle(Happening.HealthFailed, link);
        }
      }
    };

    // What is to be done.

    /** Does all that is to be done by now. */
    const perform = () => {
      for (let told; !waits() && (told = instance.next()); ) {
        if (told === Told.Slices) {
          giveSlices();
        } else {
          act(told);
        }
      }
    };

    const act = (told: Told) => {
      const link = number(0);
      switch (told) {
        case Told.OpenStream:
          openStream(link, address.stream(number(1), read()));
          break;
        case Told.CloseStream:
          if (stream?.link === link) {
            stream.close();
            stream = source = undefined;
          }
          break;
        case Told.Poll:
          if (!LEAN) {
            poll?.close();
            poll = send(link, address.poll(number(1), read(), number(2)), false);
          }
          break;
        case Told.CancelPoll:
          poll?.close();
          poll = undefined;
          break;
        case Told.AskHealth:
          if (!LEAN) {
            health?.close();
            health = send(link, address.health(), false);
          }
          break;
        case Told.State: {
          const state = STATES[number(0)]!;
          if (state === 'closed') {
            // The machine has forgotten it.
            health?.close();
          }
          if (!closed || state === 'closed') {
            lastReason = read();
            sink.state(state, number(1), number(2), (lastReason || undefined) as StateDetail['reason']);
          }
          break;
        }
        default:
          if (!closed) {
            tell(told);
          }
      }
    };

    /** Most of what is to be done, once a stream comes by fetch. */
    const giveSlices = () => {
      const text = (batch ??= read());
      const end = number(0) * N_NUMBERS;
      let cut = (from: number, to: number) => text.slice(from, to);
      // No character has more units than bytes. Where all have as many, a place is the same in both.
      if (text.length < instance.text_bytes()) {
        if (text.includes(REPLACEMENT)) {
          // What is not UTF-8 may stand for any number of bytes.
          cut = read;
        } else {
          instance.count_units();
        }
      }
      for (let i = 0; i < end && !closed && !broken; i += N_NUMBERS) {
        const at = places();
        if (at[i + 1]) {
          lastType = cut(at[i]!, at[i + 1]!);
        }
        give(lastType, cut(at[i + 2]!, at[i + 3]!), cut(at[i + 4]!, at[i + 5]!));
      }
    };

    /** Tells the page what it would not hear any more, had it closed the connection. */
    const tell = (told: Told) => {
      if (told === Told.Deliver) {
        deliver();
      } else if (told === Told.Heartbeat) {
        sink.heartbeat(number(0));
      } else if (told === Told.Gap) {
        const [from, to, reason] = read().split(END_OF_TEXT);
        sink.gap(from || undefined, to!, reason as GapReason);
      } else if (told === Told.Expiring) {
        sink.expiring(number(0));
      } else if (told === Told.Trouble) {
        const [code, message] = read().split(END_OF_TEXT);
        sink.error(code!, message!);
      } else {
        const part = (index: number) => read(number(index), number(index + 1));
        const [type, id] = [part(0), part(4)] as const;
        if (told === Told.Frame) {
          openFrame(type, view(number(2), number(3)), id);
        } else if (told === Told.Control) {
          control(stream!.link, type, part(2), id);
        } else {
          lastType = type;
          give(type, part(2), id);
        }
      }
    };

    const openStream = (link: number, url: string) => {
      if (overFetch) {
        stream = send(link, url, true);
        return;
      }
      try {
        source = openSource(url, withCredentials, compression, {
          opened: () => take(() => handle(Happening.Opened, link)),
          lost: () => take(() => lost(link)),
          control: (type, data, id) => take(() => control(link, type, data, id)),
          event: (type, data, id, origin) => take(() => event(link, id, () => give(type, data, id, origin))),
          frame: (type, data, id) => take(() => event(link, id, () => openFrame(type, data, id))),
        });
        types.forEach(source.listen);
        stream = { link, close: source.close };
      } catch {
        inbox.push(() => lost(link));
      }
    };

    const send = (link: number, url: string, isStream: boolean): Open => {
      const controller = sink.send(link, url, isStream);
      return { link, close: () => controller.abort() };
    };

    /** Sees to it that the machine is called at its deadline. */
    const setAlarm = () => {
      let deadline = instance.deadline();
      if (deadline < Infinity && !hidden) {
        // Timers sleep with the machine. A page that is looked at sees by these that it did.
        deadline = Math.min(deadline, clock.now + TICK_MS);
      }
      alarm.set(deadline, clock.now);
    };

    // What the page asks for.

    set(Setting.Seed, Math.random() * 2 ** 53);
    set(Setting.Enabled, Number(options.enabled ?? true));
    set(Setting.Polling, Number(options.polling ?? true));
    set(Setting.RenewsToken, Number(options.renewsToken));
    set(Setting.Frames, Number(compression));
    for (const [i, name] of NUMBERS.entries()) {
      const value = options[name];
      if (value != null) {
        set(Setting.HeartbeatTimeout + i, value);
      }
    }
    const { from } = options;
    set(
      Setting.Resume,
      options.lastEventId ? Resume.After : from === 'earliest' ? Resume.Earliest : from ? Resume.Live : address.resume,
    );

    /** For what the page asks for, which does not wait its turn. */
    const ask = (happening: Happening, number = 0, text = '') =>
      attempt(() => {
        look();
        writeText(text);
        handle(happening, 0, number);
        run();
      });

    return {
      start: () => ask(Happening.Start, 0, lastId),
      listen(type) {
        types.push(type);
        source?.listen(type);
        ask(Happening.Listen, 0, type);
      },
      setEnabled: (enabled) => ask(Happening.SetEnabled, Number(enabled)),
      life(what) {
        hidden = what === 'hidden' || (hidden && what !== 'shown');
        take(() => handle(LIFE[what]));
      },
      close() {
        closed = true;
        ask(Happening.Close);
      },
      chunk: (link, bytes) =>
        take(() => {
          batch = undefined;
          write(bytes);
          handle(Happening.Chunk, link);
        }),
      done: (link, status, retryAfter, answer) => take(() => answered(link, status, retryAfter, answer)),
      lastEventId: () => lastId,
      counters: () => [...COUNTERS.slice(0, -4).map((_, i) => instance.counter(i)), nDelivered, nFrames, nBadFrames, nBytesSaved],
    };
  };
