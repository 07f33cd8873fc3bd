"""A queue whose items are handed to one reader at a time and come back unless they are acknowledged."""

import asyncio
import collections

import grpc


class Queue:
    def __init__(self):
        self.items = collections.deque()
        self.arrival = asyncio.Event()

    def put(self, item) -> None:
        self.items.append(item)
        self.arrival.set()

    def give_back(self, items) -> None:
        self.items.extendleft(reversed(items))
        self.arrival.set()

    async def get(self):
        while not self.items:
            self.arrival.clear()
            await self.arrival.wait()
        return self.items.popleft()


async def serve(queue, context, to_message, id_of, has_failed, redeliver_seconds) -> None:
    """Sends items until the reader has closed its side; those it did not answer go back in their order."""
    held = {}

    async def send():
        while True:
            item = await queue.get()
            held[item.id] = item
            await context.write(to_message(item))

    # Tells the sidecar that the stream stands: what comes to the queue from now on arrives.
    await context.send_initial_metadata(())
    sending = asyncio.create_task(send())
    try:
        while (answer := await context.read()) is not grpc.aio.EOF:
            item = held.pop(id_of(answer), None)
            if item and has_failed(answer):
                asyncio.get_running_loop().call_later(redeliver_seconds, queue.put, item)
    finally:
        sending.cancel()
        queue.give_back(list(held.values()))
