#!/usr/bin/env python3
"""Sends requests to the actors of an arbiter: docs/protocol.md. Needs the package websockets.
usage: client.py URL TOKEN TARGET COMMAND [ARGUMENT as JSON ...]
"""
import asyncio, itertools, json, sys
import websockets

class RemoteError(Exception):
    def __init__(self, error):  # that the other side answered instead of a result
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
            while answer := json.loads(await self._socket.recv()):
                # The id is null if the arbiter could not read a message: any of those that wait.
                for number in list(self._waiting) if answer["id"] is None else [answer["id"]]:
                    if (waiting := self._waiting.pop(number, None)) and not waiting.done():
                        waiting.set_result(answer)
        except websockets.ConnectionClosed as closed:
            for waiting in self._waiting.values():
                waiting.done() or waiting.set_exception(closed)

    async def send(self, target, command, *args):
        """Sends a request and waits for its result; raises RemoteError, or ConnectionClosed with code and reason."""
        number, waiting = next(self._ids), asyncio.get_running_loop().create_future()
        self._waiting[number] = waiting
        text = json.dumps({"command": command, "id": number, "target": target, "args": args})
        answer, _ = await asyncio.gather(waiting, self._socket.send(text))
        if "error" in answer:
            raise RemoteError(answer["error"])
        return answer["result"]

async def main(url, token, target, command, *args):
    try:
        async with Arbiter(url, token) as arbiter:
            print(json.dumps(await arbiter.send(target, command, *map(json.loads, args))))
    except (RemoteError, OSError, websockets.WebSocketException) as error:
        sys.exit(f"client.py: {error}")
if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
