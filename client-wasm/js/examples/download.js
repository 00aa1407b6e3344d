// One download: its progress as it comes. Where streams do not get through, it is asked for every two seconds.
import { EventStream } from 'heartwire';

/** Draws the download into a <progress> and a text beside it, until it is done. */
export function followDownload(id, progress, text, options) {
  const stream = new EventStream('/events', {
    topics: `download-${id}`,
    // A page that comes late gets what was said before.
    from: 'earliest',
    parse: 'json',
    pollInterval: 2_000,
    pollWait: 0,
    ...options,
  });
  stream.addEventListener('progress', ({ data }) => {
    progress.value = data.percent;
    text.textContent = `${data.percent} %`;
  });
  stream.addEventListener('done', ({ data }) => {
    progress.value = 100;
    text.textContent = `done: ${data.file}`;
    stream.close();
  });
  return stream;
}
