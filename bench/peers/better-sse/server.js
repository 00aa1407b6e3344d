// A peer of the benchmark: better-sse on Node's own http server. node server.js PORT HEARTBEAT_SECONDS

import { createServer } from "node:http";
import { createChannel, createSession } from "better-sse";

const [port, heartbeatSeconds] = process.argv.slice(2).map(Number);
const channel = createChannel();

// The payload is JSON text already: as its own serializer it costs nothing, which is in the peer's favour.
const asIs = (data) => data;

async function subscribe(request, response) {
  const session = await createSession(request, response, { keepAlive: heartbeatSeconds * 1000, serializer: asIs });
  channel.register(session);
}

async function publish(request, response) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  channel.broadcast(Buffer.concat(chunks).toString());
  response.writeHead(204).end();
}

createServer((request, response) => {
  const answer = request.method === "POST" ? publish : subscribe;
  answer(request, response).catch((error) => response.destroy(error));
}).listen(port, "127.0.0.1");
