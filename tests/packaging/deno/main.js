// deno run --allow-net main.js URL: prints the first message of topic t.
import { EventStream } from 'heartwire';

const stream = new EventStream(Deno.args[0], { topics: 't', from: 'earliest' });
const { data } = await stream.once('message');
console.log(`${data} by stream ${stream.metrics().opened}`);
stream.close();
