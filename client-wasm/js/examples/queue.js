// The queue of all downloads, in step with the server. Polling adapts by itself: the server holds an answer back until
// something moves, so an idle queue costs a request every 25 seconds, and a busy one is asked every two.
import { EventStream } from 'heartwire';

/** Keeps the list in step. `load` asks the server for the whole queue: at the begin, and when events are gone. */
export function followQueue(list, load, options) {
  const items = new Map();
  const draw = () => {
    list.replaceChildren(
      ...[...items].map(([id, status]) => {
        const item = document.createElement('li');
        item.textContent = `${id}: ${status}`;
        return item;
      }),
    );
  };
  const refresh = async () => {
    const fresh = await load();
    items.clear();
    for (const [id, status] of fresh) {
      items.set(id, status);
    }
    draw();
  };
  const stream = new EventStream('/events', {
    topics: 'queue',
    parse: 'json',
    pollInterval: 2_000,
    pollWait: 25_000,
    ...options,
  });
  stream.addEventListener('status', ({ data: { id, status } }) => {
    items.set(id, status);
    draw();
  });
  stream.addEventListener('removed', ({ data: { id } }) => {
    items.delete(id);
    draw();
  });
  // First the listeners, then the load: what happens in between is in the one or in the other.
  stream.addEventListener('open', refresh, { once: true });
  stream.addEventListener('gap', refresh);
  return stream;
}
