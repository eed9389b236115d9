"""What the tests of applications have in common: programs that run in folders of their own, their clients and operators."""
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time

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


class Program:
    """A program that runs, in a folder of its own."""

    def __init__(self, which, *arguments, folder=None, environment=None, **options):
        self.which = which
        self.folder = folder or tempfile.mkdtemp(prefix="magnetar-app-")
        self.control = os.path.join(self.folder, "control.sock")
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
            assert self.process.poll() is None, self.said()
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


def echo(*arguments, **options):
    return Program("echo", "--bind", "127.0.0.1:0", *arguments, **options)


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
    failed = 0
    for test in chosen:
        begin = time.monotonic()
        try:
            test()
            print(f"ok {test.__name__} {time.monotonic() - begin:.1f} s", flush=True)
        except Exception as error:  # noqa: BLE001
            failed += 1
            print(f"FAILED {test.__name__}: {type(error).__name__}: {error}", flush=True)
    print(f"{len(chosen) - failed} passed, {failed} failed")
    sys.exit(failed > 0)
