"""What the tests of applications have in common: programs that run in folders of their own, their clients and operators."""
import base64
import concurrent.futures
import http.client
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

# A shell starts what runs in the background with SIGINT ignored, nohup with SIGHUP, and programs would inherit it.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

PROGRAM = os.path.abspath(sys.argv[1])
cases = []


def case(f):
    cases.append(f)
    return f


def until(what, condition, limit=20.0):
    """Waits for a condition to hold, and gives its value."""
    end = time.monotonic() + limit
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"not within {limit} s: {what}"
        time.sleep(0.02)


def new_folder(prefix="magnetar-app-"):
    return tempfile.mkdtemp(prefix=prefix)


def service_manager(folder):
    """What a program in that folder tells its service manager comes to this socket; and its environment for that."""
    path = os.path.join(folder, "notify")
    heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    heard.bind(path)
    heard.settimeout(20)
    return heard, {"NOTIFY_SOCKET": path}


def fill_up(environment):
    """That socket takes no more until somebody reads."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        try:
            while True:
                sender.sendto(b"full", environment["NOTIFY_SOCKET"])
        except BlockingIOError:
            pass


class Program:
    """A program that runs, in a folder of its own."""

    def __init__(self, which, *arguments, folder=None, environment=None, **options):
        self.which = which
        self.folder = folder or new_folder()
        self.control = os.path.join(self.folder, "control.sock")
        self.config = os.path.join(self.folder, "echo.toml")
        self.log = open(os.path.join(self.folder, "log"), "ab")
        self.process = subprocess.Popen(
            [PROGRAM, which, "--control", self.control, *arguments], stdout=self.log, stderr=subprocess.STDOUT,
            cwd=self.folder, env={**os.environ, **(environment or {})}, **options)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.log.close()

    def configure(self, text):
        write(self.config, text)

    def said(self):
        return open(os.path.join(self.folder, "log"), errors="replace").read()

    def ask(self, *words, code=0):
        done = subprocess.run([PROGRAM, self.which, *words, "--control", self.control], capture_output=True, text=True,
                              timeout=60)
        assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr, self.said())
        return done.stdout if code == 0 else done.stderr

    def info(self):
        return json.loads(self.ask("--info", "--json"))

    def running(self):
        def state():
            assert self.process.poll() is None, f"ended with {self.process.returncode}: {self.said()}"
            done = subprocess.run([PROGRAM, self.which, "--info", "--json", "--control", self.control],
                                  capture_output=True, text=True)
            if done.returncode:
                return None
            info = json.loads(done.stdout)
            return info if info["program"]["state"] == "running" else None

        info = until("it runs", state)
        listens = [address for app in info["applications"] for address in app.get("listens", [])]
        self.at = [int(address.rsplit(":", 1)[1]) for address in listens if not address.startswith("unix:")]
        return self

    def workers(self, application=0):
        return self.info()["applications"][application]["workers"]

    def connect(self):
        return Client(socket.create_connection(("127.0.0.1", self.at[0]), 10))

    def ends(self, how=None, code=0, limit=30):
        if how:
            self.process.send_signal(how)
        try:
            got = self.process.wait(limit)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it does not end: {self.said()}")
        assert got == code, (got, self.said())


class Client:
    def __init__(self, connection):
        connection.settimeout(10)
        self.connection = connection
        self.file = connection.makefile("rwb", buffering=0)
        self.reader = connection.makefile("rb")

    def line(self):
        return self.reader.readline().decode().rstrip("\n")

    def say(self, text):
        self.connection.sendall(text.encode() + b"\n")
        return self.line()

    def close(self):
        for part in (self.file, self.reader, self.connection):
            part.close()


class Door:
    """A bare WebSocket client of the operators' socket, as docs/protocol.md has it."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(path)
        self.socket.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: magnetar.v1\r\n"
                            b"Sec-WebSocket-Key: " + base64.b64encode(os.urandom(16)) + b"\r\n\r\n")
        self.head = b""
        while not self.head.endswith(b"\r\n\r\n"):
            self.head += self.exactly(1)
        self.status = int(self.head.split()[1])

    def exactly(self, size):
        data = b""
        while len(data) < size:
            part = self.socket.recv(size - len(data))
            assert part, "the connection has ended"
            data += part
        return data

    def say(self, text):
        data, mask = text.encode(), os.urandom(4)
        size = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + struct.pack("!H", len(data))
        self.socket.sendall(b"\x81" + size + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(data)))

    def hears(self):
        """The next frame: its opcode and what is in it."""
        opcode, size = self.exactly(2)
        if size == 126:
            size, = struct.unpack("!H", self.exactly(2))
        elif size == 127:
            size, = struct.unpack("!Q", self.exactly(8))
        return opcode & 0x0f, self.exactly(size)

    def ask(self, message):
        self.say(message if isinstance(message, str) else json.dumps(message))
        opcode, text = self.hears()
        assert opcode == 1, (opcode, text)
        return json.loads(text)


def echo(*arguments, **options):
    return Program("echo", "--bind", "127.0.0.1:0", *arguments, **options)


def configured(text, *arguments, **options):
    """The server echo with that text in its configuration file, which is program.config."""
    folder = new_folder()
    path = os.path.join(folder, "echo.toml")
    write(path, text)
    return echo("--config", path, *arguments, folder=folder, **options)


def write(path, text):
    with open(path + ".new", "w") as file:
        file.write(text)
    os.rename(path + ".new", path)


def get(address, path, method="GET"):
    host, port = address.rsplit(":", 1)
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    connection.request(method, path)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def run_cases():
    """Runs the cases that the command line names, or all, and ends with whether one has failed."""
    chosen = [test for test in cases if len(sys.argv) < 3 or any(word in test.__name__ for word in sys.argv[2:])]

    def passes(test):
        begin = time.monotonic()
        try:
            test()
        except Exception as error:  # noqa: BLE001
            print(f"FAILED {test.__name__}: {type(error).__name__}: {error}", flush=True)
            return False
        print(f"ok {test.__name__} {time.monotonic() - begin:.1f} s", flush=True)
        return True

    # Each has programs and a folder of its own, and waits most of the time.
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        passed = sum(pool.map(passes, chosen))
    print(f"{passed} passed, {len(chosen) - passed} failed")
    sys.exit(passed < len(chosen))
