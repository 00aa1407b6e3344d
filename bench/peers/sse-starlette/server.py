"""A peer of the benchmark: sse-starlette on uvicorn. python server.py PORT HEARTBEAT_SECONDS"""

import asyncio
import sys

import uvicorn
from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

port, heartbeat_seconds = (int(text) for text in sys.argv[1:3])
readers: set[asyncio.Queue[str]] = set()


async def events_of(queue):
    try:
        while True:
            yield {"data": await queue.get()}
    finally:
        readers.discard(queue)


async def subscribe(request):
    queue = asyncio.Queue(maxsize=1024)
    readers.add(queue)
    return EventSourceResponse(events_of(queue), ping=heartbeat_seconds)


async def publish(request):
    data = (await request.body()).decode()
    for queue in readers:
        try:
            queue.put_nowait(data)
        except asyncio.QueueFull:
            pass  # A reader that is so far behind misses the event, as in the other peers.
    return Response(status_code=204)


app = Starlette(
    routes=[Route("/events", subscribe, methods=["GET"]), Route("/events", publish, methods=["POST"])]
)
uvicorn.run(app, host="127.0.0.1", port=port, loop="uvloop", http="httptools", access_log=False, log_level="warning")
