import { EventStream } from './heartwire/heartwire.js';

globalThis.onconnect = ({ ports: [port] }) => {
  const stream = new EventStream('/events', { topics: 't', from: 'earliest' });
  stream.onmessage = ({ data }) => port.postMessage(`${data} by stream ${stream.metrics().opened}`);
};
