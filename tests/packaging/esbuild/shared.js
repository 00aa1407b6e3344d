import { EventStream } from 'heartwire';

// As on a page without a secure context. It is the worker that counts this stream.
Object.defineProperty(navigator, 'locks', { value: undefined });
const stream = new EventStream('/events', { topics: 't', from: 'earliest', shared: true });
stream.onmessage = ({ data }) => {
  const line = document.createElement('p');
  line.textContent = `shared: ${data} by stream ${stream.metrics().opened}`;
  document.body.append(line);
};
