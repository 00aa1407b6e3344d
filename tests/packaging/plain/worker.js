import { EventStream } from './heartwire/heartwire.js';

const stream = new EventStream('/events', { topics: 't', from: 'earliest' });
stream.onmessage = ({ data }) => postMessage(`${data} by stream ${stream.metrics().opened}`);
