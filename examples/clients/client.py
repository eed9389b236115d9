#!/usr/bin/env python3
"""Sends requests to the actors of an arbiter: docs/protocol.md. Needs the package websockets.

usage: client.py URL TOKEN TARGET COMMAND [ARGUMENT as JSON ...]
"""
import asyncio, itertools, json, sys
import websockets

class RemoteError(Exception):
    """The error that the other side answered instead of a result."""
    def __init__(self, error):
        super().__init__(f"{error['type']}: {error['message']}")
        self.type = error["type"]

class Arbiter:
    """A connection: `async with Arbiter(url, token) as arbiter: await arbiter.send("counter", "add", 2)`."""
    def __init__(self, url, token):
        # The option was called extra_headers before version 14.
        option = "extra_headers" if int(websockets.__version__.split(".")[0]) < 14 else "additional_headers"
        options = {option: {"Authorization": f"Bearer {token}"} if token else {}, "max_size": None}
        if url.startswith("ws+unix:"):  # a unix socket, in the notation of an arbiter
            url, options["path"] = "ws://localhost/", url.removeprefix("ws+unix:")
        connect = websockets.unix_connect if "path" in options else websockets.connect
        self._connecting = connect(uri=url, subprotocols=["magnetar.v1"], **options)
        self._ids, self._waiting = itertools.count(1), {}

    async def __aenter__(self):
        self._socket = await self._connecting
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_):
        await self._socket.close()
        await self._reader

    async def _read(self):
        try:
            async for text in self._socket:
                answer = json.loads(text)
                if waiting := self._waiting.pop(answer["id"], None):
                    waiting.set_result(answer)
        finally:
            for waiting in self._waiting.values():
                waiting.set_exception(ConnectionError("the connection has ended"))

    async def send(self, target, command, *args):
        """Sends a request and waits for its result; raises RemoteError."""
        number = next(self._ids)
        waiting = self._waiting[number] = asyncio.get_running_loop().create_future()
        await self._socket.send(json.dumps({"command": command, "id": number, "target": target, "args": args}))
        answer = await waiting
        if "error" in answer:
            raise RemoteError(answer["error"])
        return answer["result"]


async def main(url, token, target, command, *args):
    async with Arbiter(url, token) as arbiter:
        print(json.dumps(await arbiter.send(target, command, *map(json.loads, args))))

if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
