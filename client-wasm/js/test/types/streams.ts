// What the declarations promise: compiled, never run. An error that is expected must be there, else it is one.
import { EventStream, type EventStreamOptions, GapEvent, type StreamErrorEvent } from '../../dist/index.js';

interface Progress {
  percent: number;
}
/** Is `unknown` what it is said to be, no more and no less? */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(_: Same<A, B>) => {};

// Without types everything goes, and data are text.
const plain = new EventStream('/events');
plain.addEventListener('whatever', ({ data }) => same<typeof data, string>(true));
plain.addEventListener('message', ({ data }) => same<typeof data, string>(true));
plain.addEventListener('gap', ({ to }) => same<typeof to, string>(true));
plain.addEventListener('state', ({ attempt }) => same<typeof attempt, number>(true));
plain.onmessage = ({ data }) => data.toUpperCase();
plain.onerror = ({ code, cause }) => [code.toUpperCase(), cause];
plain.once('error').then((error: StreamErrorEvent) => error.code);

// With types the data have them, and a type that is not named is an error.
const typed = new EventStream<{ progress: Progress; done: null }>('/events', { parse: 'json', types: ['progress', 'done'] });
typed.addEventListener('progress', ({ data, type }) => {
  same<typeof data, Progress>(true);
  same<typeof type, 'progress'>(true);
});
// @ts-expect-error There is no such type.
new EventStream<{ progress: Progress }>('/events', { types: ['progres'] });
new EventStream('/events', { types: ['whatever'] });
typed.removeEventListener('progress', ({ data }) => data.percent);
typed.addEventListener('message', ({ data }) => same<typeof data, string>(true));
typed.addEventListener('heartbeat', ({ latency }) => latency.toFixed());
// @ts-expect-error There is no such type.
typed.addEventListener('progres', () => {});
// @ts-expect-error The data are no text.
typed.addEventListener('progress', ({ data }) => data.toUpperCase());
typed.once('progress').then(({ data }) => same<typeof data, Progress>(true));
// @ts-expect-error There is no such type.
typed.once('progres');

export async function loops() {
  for await (const event of typed) {
    if (event instanceof GapEvent) {
      same<typeof event, GapEvent>(true);
    } else if (event.type === 'progress') {
      same<typeof event.data, Progress>(true);
    } else {
      same<typeof event.data, null>(true);
    }
  }
  for await (const event of plain) {
    if (!(event instanceof GapEvent)) {
      same<typeof event.data, string>(true);
    }
  }
}

// An interface will do, and `message` may have a type.
interface Published {
  message: number;
  state: 'busy' | 'idle';
}
const published = new EventStream<Published>('/events', { parse: Number });
published.onmessage = ({ data }) => data.toFixed();
published.addEventListener('message', ({ data }) => same<typeof data, number>(true));
published.addEventListener('state', (event) => {
  if (event instanceof MessageEvent) {
    same<typeof event.data, 'busy' | 'idle'>(true);
  } else {
    event.attempt.toFixed();
  }
});

// Validators say what the data are.
const progress = (data: unknown): Progress => data as Progress;
const validated = new EventStream('/events', { parse: 'json', validate: { progress } });
validated.addEventListener('progress', ({ data }) => same<typeof data, Progress>(true));
// @ts-expect-error There is no such type.
validated.addEventListener('progres', () => {});
declare const schema: { '~standard': { version: 1; vendor: string; validate(value: unknown): { value: Progress } | { issues: readonly { message: string }[] } } };
const withSchema = new EventStream('/events', { parse: 'json', validate: { progress: schema } });
withSchema.addEventListener('progress', ({ data }) => same<typeof data, Progress>(true));
// @ts-expect-error It validates to something else.
new EventStream<{ progress: string }>('/events', { validate: { progress } });

// @ts-expect-error There is no such option.
export const wrong: EventStreamOptions = { topic: 'a' };
// @ts-expect-error An option has a type.
export const wrongType: EventStreamOptions = { topics: 7 };

{
  using closing = new EventStream('/events');
  closing.enabled = false;
}

// It stands where an EventSource stands.
export const source: Pick<EventSource, 'url' | 'withCredentials' | 'readyState' | 'close' | 'CONNECTING' | 'OPEN' | 'CLOSED'> = plain;
