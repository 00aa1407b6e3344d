// node main.js URL: prints the first message of topic t.
import { EventStream } from 'heartwire';

const stream = new EventStream(process.argv[2], { topics: 't', from: 'earliest' });
const { data } = await stream.once('message');
console.log(`${data} by stream ${stream.metrics().opened}`);
stream.close();
