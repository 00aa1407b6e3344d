import { EventStream } from 'heartwire';

const show = (who, text) => {
  const line = document.createElement('p');
  line.textContent = `${who}: ${text}`;
  document.body.append(line);
};

const stream = new EventStream('/events', { topics: 't', from: 'earliest' });
// The machine counts, the stand-in without WebAssembly does not.
stream.onmessage = ({ data }) => show('page', `${data} by stream ${stream.metrics().opened}`);

// As on a page without a secure context. It is the worker that counts this stream.
Object.defineProperty(navigator, 'locks', { value: undefined });
const shared = new EventStream('/events', { topics: 't', from: 'earliest', shared: true });
shared.onmessage = ({ data }) => show('shared', `${data} by stream ${shared.metrics().opened}`);
