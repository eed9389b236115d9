"""Drives a live arbiter with the package websockets, and with bare sockets. usage: drive.py URL CLIENT PID"""
import asyncio
import base64
import importlib.util
import json
import os
import random
import resource
import socket
import struct
import sys

import websockets

url, client_path, server = sys.argv[1], sys.argv[2], int(sys.argv[3])
host, port = url.removeprefix("ws://").split(":")
spec = importlib.util.spec_from_file_location("client", client_path)
client = importlib.util.module_from_spec(spec)
spec.loader.exec_module(client)
word, failures = "open sesame", []


def check(holds, what):
    if not holds:
        failures.append(what)
        print("does not hold:", what)


def resident():
    with open(f"/proc/{server}/statm") as statm:
        return int(statm.read().split()[1]) * 4096


def upgraded():
    """A bare socket behind the handshake."""
    sock = socket.create_connection((host, int(port)), 10)
    key = base64.b64encode(os.urandom(16)).decode()
    sock.sendall(f"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                 f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: magnetar.v1\r\n"
                 f"Authorization: Bearer {word}\r\n\r\n".encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += sock.recv(1)
    check(head.startswith(b"HTTP/1.1 101"), "a bare upgrade")
    return sock


def frame(text):
    data = text.encode()
    mask = os.urandom(4)
    size = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + struct.pack("!H", len(data))
    return b"\x81" + size + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(data))


async def commands():
    async with client.Arbiter(url, word) as arbiter:
        check(await arbiter.send("counter", "ping") == "pong", "ping")
        check(await arbiter.send("counter", "add", 40) == 40, "add")
        check(await arbiter.send("counter", "add", 2) == 42, "add again")
        value = {"text": "\u20ac \U0001d11e \" \\ \n", "numbers": [1, -2, 3.5, 2**53], "none": None, "yes": True}
        check(await arbiter.send("counter", "echo", value) == value, "echo")
        check((await arbiter.send("counter", "info"))["actor"]["name"] == "counter", "info")
        check({a["name"] for a in await arbiter.send(None, "list")} == {"arbiter", "counter"}, "list")
        proxy = await arbiter.send("arbiter", "find", "counter")
        check(await arbiter.send(proxy, "add", 0) == 42, "by proxy")
        check(len(await arbiter.send("counter", "text", 1 << 20)) == 1 << 20, "a long answer")
        check(await arbiter.send("counter", "echo", "y" * (1 << 20)) == "y" * (1 << 20), "1 MiB both ways")
        several = await asyncio.gather(*(arbiter.send("counter", "add", 1) for _ in range(200)))
        check(several == list(range(43, 243)), "two hundred at once, in their order")
        for target, command, args, error in [("counter", "fail", ["no"], "std::invalid_argument"),
                                             ("counter", "nothing", [], "CommandNotFound"),
                                             ("nobody", "ping", [], "ActorNotFound"),
                                             ("counter", "add", ["x"], "CodecError"),
                                             ("counter", "stop", [], "PermissionDenied")]:
            try:
                await arbiter.send(target, command, *args)
                check(False, f"{command} of {target} fails")
            except client.RemoteError as failure:
                check(failure.type == error, f"{command} of {target} fails with {error}, not {failure.type}")
        deep = "leaf"
        for _ in range(100):
            deep = [deep]
        for value, what in [("\ud800", "an unpaired surrogate"), (deep, "a value that is nested too deeply")]:
            waiting = asyncio.create_task(arbiter.send("counter", "dwell", 3_000))
            await asyncio.sleep(0.05)
            failures_of = await asyncio.wait_for(asyncio.gather(arbiter.send("counter", "echo", value), waiting,
                                                                return_exceptions=True), 20)
            check([getattr(failure, "type", failure) for failure in failures_of] == ["JsonError"] * 2,
                  f"{what} fails all that wait: {failures_of}")
            check(await arbiter.send("counter", "ping") == "pong", f"the connection goes on after {what}")
        try:
            await asyncio.wait_for(arbiter.send("counter", "dwell", 3_000), 0.05)
            check(False, "a request whose wait is limited")
        except asyncio.TimeoutError:
            pass
        check(await arbiter.send("counter", "ping") == "pong", "the connection goes on after a cancelled request")
        # The arbiter closes it with 1009: the message is too long.
        for value, what in [("z" * (4 << 20), "a request that the end meets"), ("z", "a request after the end")]:
            try:
                await asyncio.wait_for(arbiter.send("counter", "echo", value), 20)
                check(False, what)
            except websockets.ConnectionClosed as closed:
                check(closed.rcvd and closed.rcvd.code == 1009 and closed.rcvd.reason, f"{what}: {closed}")
    async with client.Arbiter(url, "master word") as arbiter:
        check((await arbiter.send("arbiter", "spawn", "light", "coroutine"))["name"] == "light", "spawn")
        check(await arbiter.send("light", "config", "level", [3]) == 3, "config")
        waiting = asyncio.create_task(arbiter.send("light", "closed"))
        await asyncio.sleep(0)  # it is sent now
        await arbiter.send("arbiter", "kill", "light")
        check((await waiting)["code"] == 137, "kill, and how it ended")
        stopped = await arbiter.send("arbiter", "spawn", "light", "coroutine")
        await arbiter.send("light", "stop")
        check(await arbiter.send(f"{stopped['id']:016x}", "closed") == {"code": 0, "signal": 0}, "stop, and how it ended")
        try:
            await arbiter.send("counter", "reload")
            check(False, "only a monitor reloads")
        except client.RemoteError as failure:
            check(failure.type == "CommandNotFound", "only a monitor reloads")
    for wrong in ["open", "open sesame!", "x" * 5000]:
        try:
            async with client.Arbiter(url, wrong):
                check(False, "a wrong token is refused")
        except websockets.InvalidHandshake as refused:  # which tells the status in another place since version 14
            status = refused.status_code if hasattr(refused, "status_code") else refused.response.status_code
            check(status == 401, "with 401")


async def program():
    """The client as a program: what it prints, and its exit code."""
    async def run(*arguments):
        process = await asyncio.create_subprocess_exec(sys.executable, client_path, *arguments, stdout=asyncio.subprocess.PIPE,
                                                       stderr=asyncio.subprocess.PIPE)
        out, error = await asyncio.wait_for(process.communicate(), 20)
        return process.returncode, out.decode(), error.decode()
    check(await run(url, word, "counter", "echo", "[1]") == (0, "[1]\n", ""), "a result is printed")
    for arguments, text in [((url, word, "counter", "fail", '"no"'), "client.py: std::invalid_argument: no\n"),
                            ((url, word, "counter", "echo", '"\\ud800"'), "client.py: JsonError: "),
                            ((url, "wrong", "counter", "ping"), "client.py: "),
                            (("ws://127.0.0.1:1", word, "counter", "ping"), "client.py: ")]:
        code, out, error = await run(*arguments)
        check((code, out) == (1, "") and error.startswith(text) and error.count("\n") == 1, f"one line, and 1: {error}")


async def frames():
    name = "extra_headers" if int(websockets.__version__.split(".")[0]) < 14 else "additional_headers"
    option = {name: {"Authorization": f"Bearer {word}"}, "subprotocols": ["magnetar.v1"]}
    async with websockets.connect(url, **option) as ws:
        await (await ws.ping(b"payload"))
        text = json.dumps({"command": "echo", "id": 1, "args": ["\u20ac" * 1000]})
        await ws.send([text[i:i + 7] for i in range(0, len(text), 7)])  # fragments
        check(json.loads(await ws.recv())["result"] == "\u20ac" * 1000, "fragments")
        for bad in ["", "{", "[]", "{}", '{"id":7}', "\u0000"]:
            await ws.send(bad)
            check("error" in json.loads(await ws.recv()), f"bad JSON {bad!r}")
        await ws.send(b"bytes")
        try:
            await ws.recv()
            check(False, "a binary message ends it")
        except websockets.ConnectionClosed as closed:
            check(closed.rcvd.code == 1003, "with 1003")
    async with websockets.connect(url, **option) as ws:
        await ws.close(4321, "bye")
        check(ws.close_code == 4321, "the close code comes back")
    for junk in [b"\x81\x05hello", b"\xff" * 20, b"\x83\x80\0\0\0\0", b"\x81\xff" + b"\x7f" * 12]:
        sock = upgraded()
        sock.sendall(junk)
        end = sock.recv(200)
        check(end[:1] == b"\x88" and struct.unpack("!H", end[2:4])[0] in (1002, 1009), f"bad frame {junk[:4]!r}")
        sock.close()


async def crowds():
    async with client.Arbiter(url, word) as arbiter:
        async def served(what):
            check(await asyncio.wait_for(arbiter.send("counter", "ping"), 20) == "pong", f"others are served: {what}")
        before = resident()
        silent = [socket.create_connection((host, int(port)), 10) for _ in range(1000)]
        await served("a thousand say nothing")
        check(resident() - before < 50 << 20, "a thousand silent ones take little memory")
        for sock in silent:
            sock.close()
        await asyncio.sleep(0.5)
        deaf = [upgraded() for _ in range(1000)]
        request = frame(json.dumps({"command": "text", "id": 1, "target": "counter", "args": [20000]})) * 5
        for sock in deaf:
            sock.setblocking(False)
            try:
                sock.sendall(request)
            except BlockingIOError:
                pass
        await served("a thousand never read")
        check(resident() - before < 1200 << 20, "what is not read is bounded")
        for sock in deaf:
            sock.close()
        for i in range(10_000):
            sock = socket.create_connection((host, int(port)), 10)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if i % 3 == 0:
                sock.sendall(b"GET / HT")
            sock.close()  # a reset
            if i % 1000 == 0:
                await served("ten thousand come and reset")
        await served("the end")


resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
for part in (commands, program, frames, crowds):
    asyncio.run(part())
print("python:", "failed" if failures else "passed")
sys.exit(bool(failures))
