// What the declarations of the hooks promise: compiled, never run.
import { ref } from 'vue';
import { readable } from 'svelte/store';
import { useEventStream as useInReact } from '../../dist/react.js';
import { useEventStream as useInSvelte } from '../../dist/svelte.js';
import { useEventStream as useInVue } from '../../dist/vue.js';

interface Progress {
  percent: number;
}
type Events = { progress: Progress };

export function react(): string {
  const { state, stream } = useInReact<Events>('/events', { progress: ({ data }) => data.percent, gap: ({ to }) => to }, { parse: 'json' });
  useInReact('/events', { whatever: (event) => event.data, gap: ({ to }) => to.length, message: ({ data }) => data.length });
  useInReact(null, {});
  // @ts-expect-error There is no such type.
  useInReact<Events>('/events', { progres: () => {} });
  // @ts-expect-error Data have a type.
  useInReact<Events>('/events', { progress: ({ data }) => data.length });
  return stream?.lastEventId ?? state;
}

export function vue(): string {
  const { state, stream } = useInVue<Events>(ref('/events'), { progress: ({ data }) => data.percent }, () => ({ parse: 'json' }));
  useInVue(() => null, { gap: ({ to }) => to });
  // @ts-expect-error There is no such type.
  useInVue<Events>('/events', { progres: () => {} });
  return stream.value?.lastEventId ?? state.value;
}

export function svelte(): void {
  const link = useInSvelte<Events>(readable('/events'), { progress: ({ data }) => data.percent }, () => ({ parse: 'json' }));
  useInSvelte('/events', { gap: ({ to }) => to });
  link.subscribe(({ state, stream }) => stream?.lastEventId ?? state);
  // @ts-expect-error There is no such type.
  useInSvelte<Events>('/events', { progres: () => {} });
}
