#!/usr/bin/env python3
"""The contract of stop and reload, a case for each row of docs/stop-and-reload.md. usage: contract.py PROGRAM [CASE ...]"""
import base64
import contextlib
import hashlib
import json
import os
import re
import select
import signal
import socket
import stat
import subprocess
import threading
import time

from support import PROGRAM, Door, Program, case, configured, echo, get, new_folder, run_cases, service_manager, until, write

FOREVER = ("--exit-timeout", "60s")  # a test that waits for it to pass fails
STOPS = (signal.SIGTERM, signal.SIGINT, "--stop")
RELOADS = (signal.SIGHUP, "--reload")


def tell(program, how):
    """Has it stop or reload: by a signal, or by an operator's command, which returns when that is done."""
    if isinstance(how, str):
        return subprocess.Popen([PROGRAM, program.which, how, "--control", program.control], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)
    program.process.send_signal(how)
    return None


def is_reloaded(program, before):
    until("new workers", lambda: not {w["actor"]["id"] for w in program.workers()} & before)


def ids(program):
    return {worker["actor"]["id"] for worker in program.workers()}


def greeted(program):
    client = program.connect()
    assert client.line() == "hello"
    return client


def ended_or_reset(client):
    try:
        return client.line() == ""
    except ConnectionResetError:
        return True


# ---- a stop


@case
def signals_and_commands_stop_it_with_0():
    for how in STOPS:
        with echo(*FOREVER, "--log-level", "info") as program:
            program.running()
            command = tell(program, how)
            program.ends()
            assert "[info] echo: stops" in program.said(), program.said()
            if command:
                assert command.wait(20) == 0
                assert "[info] echo: stop requested" in program.said(), program.said()


@case
def a_stop_refuses_new_connections():
    for how in STOPS:
        with echo(*FOREVER, "--slow", "3s") as program:
            program.running()
            client = greeted(program)
            client.connection.sendall(b"work\n")
            command = tell(program, how)

            def refused():
                try:
                    socket.create_connection(("127.0.0.1", program.at[0]), 1).close()
                except OSError:
                    return True
                return False

            until("refused", refused)
            assert not select.select([client.connection], [], [], 0)[0], "and not only when the last answer is given"
            assert client.line() == "work"
            program.ends()
            assert not command or command.wait(20) == 0


@case
def what_has_connected_and_says_something_is_served():
    with echo(*FOREVER) as program:
        program.running()
        client = program.connect()
        client.connection.sendall(b"first\n")
        program.process.send_signal(signal.SIGTERM)
        assert client.line() == "hello" and client.line() == "first"
        program.ends()


@case
def an_idle_connection_is_closed_at_once():
    for how in (*STOPS, *RELOADS):
        with echo(*FOREVER, "--workers", "1") as program:
            program.running()
            client = greeted(program)
            assert client.say("once") == "once"
            command = tell(program, how)
            assert client.line() == ""  # within the client's 10 s, which is less than a minute
            assert not command or command.wait(20) == 0
            program.ends(None if how in STOPS else signal.SIGTERM)


@case
def a_request_in_work_is_answered():
    for how in (*STOPS, *RELOADS):
        with echo(*FOREVER, "--slow", "500ms") as program:
            program.running()
            client = greeted(program)
            client.connection.sendall(b"work\n")
            command = tell(program, how)
            assert client.line() == "work" and client.line() == ""
            assert not command or command.wait(20) == 0
            program.ends(None if how in STOPS else signal.SIGTERM)


@case
def what_takes_longer_than_exit_timeout_is_cut():
    for how in (signal.SIGTERM, "--reload"):
        with echo("--exit-timeout", "300ms", "--slow", "1h", "--workers", "1") as program:
            program.running()
            client = greeted(program)
            client.connection.sendall(b"work\n")
            command = tell(program, how)
            assert ended_or_reset(client)
            assert not command or command.wait(20) == 0, command.stderr.read()
            program.ends(None if how == signal.SIGTERM else signal.SIGTERM)


@case
def messages_in_the_queue_are_carried_out():
    for how in (signal.SIGTERM, signal.SIGHUP):
        with Program("queue", *FOREVER) as program:
            until("the first is done", lambda: "done 1\n" in program.said())
            program.process.send_signal(how)
            until("all are done", lambda: "done 40\n" in program.said())
            assert "done 41\n" not in program.said()
            program.ends(None if how == signal.SIGTERM else signal.SIGTERM)


@case
def a_stop_leaves_nothing_and_a_reload_everything():
    folder = new_folder()
    files = [os.path.join(folder, name) for name in ("pid", "echo.sock", "control.sock")]
    with Program("echo", "--pid-file", files[0], "--bind", "unix:" + files[1], "--bind", "127.0.0.1:0", folder=folder) as program:
        program.running()

        def present():
            return [os.stat(path).st_ino for path in files], open(files[0]).read()

        before, workers = present(), ids(program)
        program.ask("--reload")
        assert present() == before and not ids(program) & workers
        assert stat.S_IMODE(os.stat(files[2]).st_mode) == 0o600
        processes = [w["actor"]["process_id"] for w in program.workers()]
        program.ends(signal.SIGTERM)
        assert not [path for path in files if os.path.exists(path)]
        assert not [process for process in processes if os.path.exists(f"/proc/{process}")]


@case
def a_second_signal_ends_it_at_once():
    for first, second in ((signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGINT)):
        with echo(*FOREVER, "--slow", "1h", "--log-level", "info") as program:
            program.running()
            client = greeted(program)
            client.connection.sendall(b"work\n")
            processes = [w["actor"]["process_id"] for w in program.workers()]
            program.process.send_signal(first)
            until("it stops", lambda: "[info] echo: stops" in program.said())
            program.process.send_signal(second)
            code = program.process.wait(20)
            assert code in (128 + second, -second), code
            assert ended_or_reset(client)
            until("no worker is left", lambda: not [p for p in processes if os.path.exists(f"/proc/{p}")])


@case
def a_drain_delay_is_not_ready_and_accepts():
    with echo("--metrics", "127.0.0.1:0", "--drain-delay", "1500ms", "--log-level", "info") as program:
        program.running()
        at = program.info()["program"]["metrics"]
        until("ready", lambda: get(at, "/ready")[0] == 200)
        program.process.send_signal(signal.SIGTERM)
        until("not ready", lambda: get(at, "/ready")[0] == 503)
        assert greeted(program).say("still") == "still"
        program.ends()
        assert "draining: accepts connections for another 1500ms" in program.said(), program.said()


@case
def nothing_is_reloaded_or_scaled_during_a_drain():
    with echo("--drain-delay", "1h") as program:
        program.running()
        program.process.send_signal(signal.SIGTERM)
        until("it drains", lambda: program.info()["program"]["state"] == "draining")
        assert "the program is stopping" in program.ask("--reload", code=1)
        assert "the program is stopping" in program.ask("--scale", "4", code=1)
        assert len(program.workers()) == 2 and greeted(program).say("still") == "still"


@case
def who_stops_it_again_waits_for_its_end_too():
    with echo("--workers", "1", "--exit-timeout", "60s", "--slow", "1h", "--log-level", "info") as program:
        program.running()
        client = greeted(program)
        worker = program.workers()[0]["actor"]["process_id"]
        client.connection.sendall(b"in work\n")
        words = [PROGRAM, "echo", "--stop", "--control", program.control]
        first = subprocess.Popen(words)
        until("its drain has ended", lambda: "stops" in program.said())
        second = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
        until("the second is heard", lambda: program.said().count("stop requested") == 2)
        assert program.info()["program"]["state"] == "stopping"
        assert first.poll() is None and second.poll() is None
        os.kill(worker, signal.SIGKILL)  # its work takes an hour
        assert first.wait(30) == 0
        assert second.wait(30) == 0, second.stderr.read()
        program.ends()
        assert "no program runs" in program.ask("--stop", code=1)


class Operator:
    """An operator who has connected to this test as if it were the program."""

    def __init__(self, listener):
        self.connection, _ = listener.accept()
        self.reader = self.connection.makefile("rb")
        head = dict(line.split(b": ", 1) for line in iter(lambda: self.reader.readline().strip(), b"") if b": " in line)
        key = head[b"Sec-WebSocket-Key"] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        self.connection.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Protocol: magnetar.v1\r\n"
            b"Sec-WebSocket-Accept: " + base64.b64encode(hashlib.sha1(key).digest()) + b"\r\n\r\n")

    def asks(self):
        size = self.reader.read(2)[1] & 0x7f
        mask = self.reader.read(4)
        return json.loads(bytes(byte ^ mask[i % 4] for i, byte in enumerate(self.reader.read(size))))

    def answer(self, request, result):
        text = json.dumps({"id": request["id"], "result": result}).encode()
        self.connection.sendall(bytes([0x81, len(text)]) + text)

    def cut_off(self):
        self.connection.shutdown(socket.SHUT_RDWR)


def asked_to_stop(listener, process):
    """The next operator, who has asked for the process and then for its end."""
    operator = Operator(listener)
    request = operator.asks()
    assert request["command"] == "process", request
    operator.answer(request, process.pid)
    assert operator.asks()["command"] == "stop"
    return operator


@case
def who_is_cut_off_while_he_stops_it_waits_for_its_end():
    path = os.path.join(new_folder(), "control.sock")
    words = [PROGRAM, "echo", "--stop", "--control", path]
    with contextlib.ExitStack() as stack, socket.socket(socket.AF_UNIX) as listener:
        def started(command, **options):
            process = stack.enter_context(subprocess.Popen(command, **options))
            stack.callback(process.kill)
            return process

        listener.bind(path)
        listener.listen()
        # One that goes on has lost the operator, and has not stopped.
        goes_on = started(["sleep", "1000"])
        stop = started(words, stderr=subprocess.PIPE, text=True)
        asked_to_stop(listener, goes_on).cut_off()
        again = Operator(listener)
        assert stop.wait(20) == 1 and "ended" in stop.stderr.read()
        again.cut_off()
        # One that ends has closed its socket first, and takes its time.
        ends = started(["sleep", "0.5"])
        stop = started(words)
        operator = asked_to_stop(listener, ends)
        os.unlink(path)
        listener.close()
        operator.cut_off()
        assert stop.wait(20) == 0
        assert ends.poll() is not None, "it has not waited"


@case
def a_second_signal_ends_a_drain_delay():
    with echo("--drain-delay", "1h") as program:
        program.running()
        program.process.send_signal(signal.SIGTERM)
        until("it drains", lambda: program.info()["program"]["state"] == "draining")
        program.process.send_signal(signal.SIGTERM)
        code = program.process.wait(20)
        assert code in (128 + signal.SIGTERM, -signal.SIGTERM), code


@case
def a_drain_is_alive_to_its_end():
    """A health check that ended it in the middle would cut off what the delay is for."""
    folder = new_folder()
    notify, environment = service_manager(folder)
    with echo("--drain-delay", "1h", folder=folder,
              environment={**environment, "WATCHDOG_USEC": "400000"}) as program:
        program.running()
        program.process.send_signal(signal.SIGTERM)
        while not notify.recv(1000).startswith(b"STOPPING=1"):
            pass
        for _ in range(3):
            assert notify.recv(1000) == b"WATCHDOG=1"


@case
def the_longest_drain_delay_is_no_mistake():
    with echo("--drain-delay", "9223372036s") as program:
        program.running()
        program.process.send_signal(signal.SIGTERM)
        until("it drains", lambda: program.info()["program"]["state"] == "draining")
        assert greeted(program).say("still") == "still"


# ---- a reload


@case
def signals_commands_and_files_reload_it():
    folder = new_folder()
    path = os.path.join(folder, "watched")
    write(path, "one")
    with echo("--watch", path, "--log-level", "info", folder=folder) as program:
        program.running()
        for how in (*RELOADS, "file"):
            before = ids(program)
            if how == "file":
                write(path, "two")
            elif command := tell(program, how):
                out, error = command.communicate(timeout=30)
                assert command.returncode == 0 and "echo: 2 workers replaced" in out, (out, error)
            is_reloaded(program, before)
            until("it says so", lambda: program.said().count("reload: echo: 2 workers replaced") ==
                  (*RELOADS, "file").index(how) + 1)
        program.ends(signal.SIGTERM)


@case
def a_hangup_of_all_its_processes_reloads_once():
    """What `systemctl kill -s HUP` sends, and `pkill`: workers leave it to the first process."""
    with echo("--slow", "1s", "--log-level", "info") as program:
        program.running()
        client, before = greeted(program), program.workers()
        client.connection.sendall(b"work\n")
        for worker in before:
            os.kill(worker["actor"]["process_id"], signal.SIGHUP)
        program.process.send_signal(signal.SIGHUP)
        assert client.line() == "work"
        is_reloaded(program, {worker["actor"]["id"] for worker in before})
        assert program.info()["applications"][0]["monitor"]["monitor"]["restarts"] == 0, program.said()
        program.ends(signal.SIGTERM)


@case
def the_listening_socket_stays():
    with echo("--workers", "1") as program:
        program.running()

        def sockets():
            lines = [line.split() for line in open("/proc/net/tcp")]
            return [line[9] for line in lines if line[1] == f"0100007F:{program.at[0]:04X}" and line[3] == "0A"]

        before = sockets()
        assert len(before) == 1
        for _ in range(3):
            program.ask("--reload")
        assert sockets() == before
        program.ends(signal.SIGTERM)
        assert sockets() == []


@case
def reloads_leave_no_descriptors():
    for concurrency in ("process", "thread"):
        with echo("--concurrency", concurrency) as program:
            program.running()

            def sockets():  # that it has of what listens; a thread worker has one of its own
                line, = [line.split() for line in open("/proc/net/tcp")
                         if line.split()[1] == f"0100007F:{program.at[0]:04X}" and line.split()[3] == "0A"]
                folder = f"/proc/{program.process.pid}/fd"
                return [os.path.lexists(os.path.join(folder, fd)) and os.readlink(os.path.join(folder, fd))
                        for fd in os.listdir(folder)].count(f"socket:[{line[9]}]")

            program.ask("--reload")
            before = sockets()
            for _ in range(5):
                program.ask("--reload")
                program.ask("--set-log-level", "error")
            until("as many as before", lambda: sockets() == before)
            program.ends(signal.SIGTERM)


@case
def an_application_that_has_ended_listens_no_more():
    with Program("mall") as program:
        program.running()
        assert program.connect().line() == "come in"
        Door(program.control).ask({"id": 1, "command": "stop", "target": "door"})
        until("the door is closed", lambda: "workers" not in program.info()["applications"][1])
        try:
            program.connect()
            raise AssertionError("it still listens")
        except ConnectionRefusedError:
            pass
        assert program.info()["applications"][1]["listens"] == []
        program.ends(signal.SIGTERM)


@case
def with_reuse_port_each_worker_listens_itself():
    with echo("--reuse-port") as program:
        program.running()

        def sockets():
            lines = [line.split() for line in open("/proc/net/tcp")]
            return {line[9] for line in lines if line[1] == f"0100007F:{program.at[0]:04X}" and line[3] == "0A"}

        before = sockets()
        assert len(before) == 2, before
        for _ in range(20):
            greeted(program).close()
        program.ask("--reload")
        until("the old ones are closed", lambda: len(sockets()) == 2)
        assert not sockets() & before
        greeted(program).close()
        program.ends(signal.SIGTERM)
    done = subprocess.run([PROGRAM, "echo", "--check-config", "--reuse-port", "--user", "nobody"], capture_output=True, text=True)
    assert done.returncode == 2 and "--reuse-port" in done.stderr, done


@case
def a_new_worker_that_fails_leaves_the_old_ones():
    with configured("", "--metrics", "127.0.0.1:0") as program:
        program.running()
        client, before = greeted(program), ids(program)
        program.configure("fail = true\n")
        said = program.ask("--reload", code=1)
        assert "it was told to fail" in said and "the old workers continue" in said, said
        program.process.send_signal(signal.SIGHUP)
        until("the log says so", lambda: "[error] echo: reload: " in program.said())
        assert ids(program) == before and client.say("still here") == "still here"
        at = program.info()["program"]["metrics"]
        until("ready", lambda: get(at, "/ready")[0] == 200)
        program.configure("")
        program.ask("--reload")
        assert not ids(program) & before
        program.ends(signal.SIGTERM)


@case
def one_reload_at_a_time():
    with echo(*FOREVER, "--slow", "5s", "--workers", "1") as program:
        program.running()
        client, before = greeted(program), ids(program)
        client.connection.sendall(b"work\n")
        first = tell(program, "--reload")
        is_reloaded(program, before)  # and the old one is still at work
        assert "a reload is under way" in program.ask("--reload", code=1)
        assert client.line() == "work"
        assert first.wait(30) == 0
        program.ends(signal.SIGTERM)


@case
def a_signal_during_a_reload_has_its_turn_after_it():
    with configured('greeting = "one"\n', "--slow", "3s", "--workers", "1", "--log-level", "info", *FOREVER) as program:
        program.running()
        client = program.connect()
        assert client.line() == "one"
        client.connection.sendall(b"work\n")
        before = ids(program)
        program.process.send_signal(signal.SIGHUP)
        is_reloaded(program, before)  # and the old one is still at work
        program.configure('greeting = "two"\n')
        for _ in range(3):
            program.process.send_signal(signal.SIGHUP)
        assert client.line() == "work"
        until("the new greeting", lambda: program.connect().line() == "two")
        until("both are over", lambda: program.said().count("reload: echo: 1 worker replaced") == 2)
        program.ends(signal.SIGTERM)
        assert program.said().count("worker replaced") == 2 and "[error]" not in program.said(), program.said()


@case
def what_needs_a_restart_stays_and_is_named_each_time():
    with configured("") as program:
        program.running()
        before = re.sub(r" *#.*", "", program.ask("--show-config"))
        program.configure('exit_timeout = "4s"\nworkers = 0\nengine = "epoll"\nlog_format = "text"\nbacklog = 9\n'
                          'bind = ["127.0.0.1:1", "127.0.0.1:2"]\n')
        for _ in range(2):
            said = program.ask("--reload")
            for number, name in enumerate(("exit_timeout: 4s", "workers: 0", "engine: epoll", "", "backlog: 9"), 1):
                assert not name or f"{name} ({program.config}:{number}) needs a restart" in said, said
            after = re.sub(r" *#.*", "", program.ask("--show-config"))
            assert after == before.replace('log_format = "automatic"', 'log_format = "text"'), after
        assert len(program.workers()) == 2
        program.configure("workers = 3\n")
        assert f"workers is now 3 ({program.config}:1)" in program.ask("--reload")
        assert len(program.workers()) == 3
        program.ends(signal.SIGTERM)


@case
def a_stop_ends_a_reload():
    with echo("--exit-timeout", "2s", "--slow", "1h", "--workers", "1") as program:
        program.running()
        client = greeted(program)
        client.connection.sendall(b"work\n")
        before, old = ids(program), program.workers()[0]["actor"]["process_id"]
        program.process.send_signal(signal.SIGHUP)
        until("the new one", lambda: not before & ids(program))
        assert os.path.exists(f"/proc/{old}"), "the old one is still there"
        program.ends(signal.SIGTERM)
        assert not os.path.exists(f"/proc/{old}")


@case
def a_file_that_changes_during_a_reload_is_read_again():
    with configured('greeting = "one"\n', "--watch", "echo.toml", "--slow", "3s", "--workers", "1", *FOREVER) as program:
        program.running()
        client = program.connect()
        assert client.line() == "one"
        client.connection.sendall(b"work\n")
        before = ids(program)
        program.configure('greeting = "two"\n')
        is_reloaded(program, before)  # and the old one is still at work
        program.configure('greeting = "three"\n')
        assert client.line() == "work"
        until("the last greeting", lambda: program.connect().line() == "three")
        program.ends(signal.SIGTERM)
        assert "under way" not in program.said(), program.said()


@case
def a_reload_that_fails_leaves_the_log_as_it_was():
    with configured("") as program:
        program.running()
        before = program.info()["program"]["log_levels"]
        program.configure('fail = true\nlog_level = ["debug"]\n')
        program.ask("--reload", code=1)
        assert program.info()["program"]["log_levels"] == before
        program.configure('log_level = ["debug"]\nlog_file = "/nowhere/log"\n')
        assert "/nowhere/log" in program.ask("--reload", code=1)
        assert program.info()["program"]["log_levels"] == before
        # What the settings do not name is as it was in the beginning.
        program.configure('log_level = ["debug"]\n')
        program.ask("--reload")
        assert program.info()["program"]["log_levels"] == "debug"
        program.configure("")
        assert "log_level is now empty (default)" in program.ask("--reload")
        assert program.info()["program"]["log_levels"] == before
        program.ends(signal.SIGTERM)


# ---- a crash


@case
def a_worker_that_dies_takes_its_own_connections_alone():
    with echo("--workers", "2", "--reuse-port") as program:  # the kernel spreads the connections
        program.running()
        clients = {}
        until("a client of each worker", lambda: (c := greeted(program)) and clients.setdefault(c.say("pid"), c) and
              len(clients) == 2)
        dying, other = clients.values()
        dying.connection.sendall(b"die\n")
        assert ended_or_reset(dying)
        assert other.say("still here") == "still here"
        until("another worker", lambda: len([w for w in program.workers() if "error" not in w]) == 2)
        info = program.info()["applications"][0]["monitor"]["monitor"]
        assert info["restarts"] == 1 and len(info["last_exits"]) == 1, info
        assert "2 of 2 workers, 1 restart, " in program.ask("--info") and "ended: " in program.ask("--info")
        program.ends(signal.SIGTERM)


@case
def too_many_deaths_end_it_with_1():
    with echo("--workers", "1", "--restarts", "1") as program:
        program.running()
        for _ in range(2):
            client = until("a client", lambda: (c := program.connect()).line() == "hello" and c)
            client.connection.sendall(b"die\n")
            assert ended_or_reset(client)
        program.ends(code=1)


# ---- at most one worker of an application is away


@case
def workers_are_replaced_one_at_a_time():
    with echo("--workers", "3", "--max-lifetime", "1s", "--log-level", "info") as program:
        program.running()
        least, first = [9], ids(program)

        def look():
            workers = [w for w in program.workers() if w.get("actor", {}).get("state") == "running"]
            least[0] = min(least[0], len(workers))
            return not {w["actor"]["id"] for w in workers} & first

        until("all are new", look, 40)
        assert least[0] >= 2, least  # one may just not have answered
        program.ends(signal.SIGTERM)


@case
def who_waits_for_a_worker_that_is_replaced_is_alive():
    """Replacing a worker takes as long as its last request, which is longer than a watchdog waits."""
    folder = new_folder()
    notify, environment = service_manager(folder)
    with echo("--workers", "1", "--max-lifetime", "1s", "--slow", "4s", "--log-level", "info", *FOREVER, folder=folder,
              environment={**environment, "WATCHDOG_USEC": "400000"}) as program:
        program.running()
        client = greeted(program)
        client.connection.sendall(b"work\n")
        until("it is replaced", lambda: "is replaced" in program.said())
        notify.setblocking(False)
        try:
            while True:
                notify.recv(1000)  # what it said until now
        except BlockingIOError:
            notify.settimeout(20)
        for _ in range(5):
            assert notify.recv(1000) == b"WATCHDOG=1"
        assert program.said().count("is replaced") == 1, "the old one is still at work"
        assert client.line() == "work"
        program.ends(signal.SIGTERM)


@case
def reloads_under_load_lose_nothing_while_workers_recycle():
    """What a client sees of reloads, max_requests and a scale at once: nothing."""
    with echo("--max-requests", "200", *FOREVER) as program:
        program.running()
        stop, troubles, served = threading.Event(), [], [0]

        def client():
            while not stop.is_set():
                try:
                    connection = greeted(program)
                    assert connection.say("x") == "x"
                    connection.close()
                    served[0] += 1
                except (OSError, AssertionError) as error:
                    troubles.append(repr(error))

        threads = [threading.Thread(target=client) for _ in range(3)]
        for thread in threads:
            thread.start()
        for workers in ("3", "1", "2"):
            program.ask("--scale", workers)
            subprocess.run([PROGRAM, "echo", "--reload", "--control", program.control], capture_output=True)
        until("some are served", lambda: served[0] > 100)
        stop.set()
        for thread in threads:
            thread.join()
        assert not troubles, troubles[:5]
        program.ends(signal.SIGTERM)


run_cases()
