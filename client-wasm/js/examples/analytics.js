// Figures that nobody waits for: by stream when there is one, else a look every thirty seconds.
import { EventStream } from 'heartwire';

/** Shows the newest figures: each name in `data` in the element of that `data-figure`. */
export function followAnalytics(root, options) {
  const stream = new EventStream('/events', {
    topics: 'analytics',
    from: 'earliest',
    parse: 'json',
    pollInterval: 30_000,
    pollWait: 0,
    ...options,
  });
  stream.addEventListener('figures', ({ data }) => {
    for (const [name, value] of Object.entries(data)) {
      const element = root.querySelector(`[data-figure="${name}"]`);
      if (element) {
        element.textContent = value;
      }
    }
  });
  return stream;
}
