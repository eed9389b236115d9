#!/usr/bin/env python3
"""Drives tests/app/programs.cpp as its clients, operators and service manager would. usage: drive.py PROGRAM [CASE ...]"""
import fcntl
import json
import os
import pty
import re
import resource
import signal
import socket
import stat
import subprocess
import threading
import time

from support import PROGRAM, Client, Program, case, configured, echo, fill_up, get, new_folder, run_cases, service_manager, until

RELOADS = int(os.environ.get("RELOADS", "8"))


def no_answer_is_short(concurrency):
    """Reloads under constant connections of several clients: none is refused, reset or cut."""
    # However busy the machine is: no client takes so long to send what it wants.
    with echo("--concurrency", concurrency, "--exit-timeout", "60s") as program:
        program.running()
        ended, troubles, served = threading.Event(), [], [0]

        def client(number):
            count = 0
            while not ended.is_set():
                try:
                    connection = program.connect()
                    assert connection.line() == "hello", "no greeting"
                    if count % 10 == 9:
                        time.sleep(0.3)  # a client is slow, and heard all the same
                    # One question: a connection that is idle after its answer is closed by a worker that stops.
                    text = f"client {number} round {count}"
                    answer = connection.say(text)
                    assert answer == text, f"'{answer}' instead of '{text}'"
                    count += 1
                    connection.close()
                    served[0] += 1
                except (OSError, AssertionError) as error:
                    troubles.append(f"{number}: {error!r}")

        clients = [threading.Thread(target=client, args=(i,)) for i in range(4)]
        for thread in clients:
            thread.start()
        before = {w["actor"]["id"] for w in program.workers()}
        for _ in range(RELOADS):
            program.ask("--reload")
        ended.set()
        for thread in clients:
            thread.join()
        assert not troubles, troubles[:5]
        assert served[0] > RELOADS, served
        assert not before & {w["actor"]["id"] for w in program.workers()}
        program.ends(signal.SIGTERM)


@case
def reloads_lose_nothing_with_processes():
    no_answer_is_short("process")


@case
def reloads_lose_nothing_with_threads():
    no_answer_is_short("thread")


@case
def sighup_reads_the_file_anew_and_says_what_changed():
    with configured('greeting = "one"\nkeep_alive = "60s"\n', "--log-level", "info") as program:
        program.running()
        assert program.connect().line() == "one"
        program.configure('greeting = "two"\nkeep_alive = "60s"\ntimeout = "20s"\nworkers = 3\n')
        program.process.send_signal(signal.SIGHUP)
        until("the new greeting", lambda: program.connect().line() == "two")
        until("a third worker", lambda: len(program.workers()) == 3)
        assert f"greeting is now two ({program.config}:1)" in program.said(), program.said()
        assert f"timeout: 20s ({program.config}:3) needs a restart" in program.said(), program.said()
        # A wrong file changes nothing.
        ids = {w["actor"]["id"] for w in program.workers()}
        program.configure('greeting = "three"\nworkers = -1\n')
        said = program.ask("--reload", code=1)
        assert f"{program.config}:2: workers: '-1' must be from 0 to 4294967295" in said, said
        program.process.send_signal(signal.SIGHUP)
        until("the complaint", lambda: "[error] echo: reload: " + program.config in program.said())
        assert program.connect().line() == "two"
        assert ids == {w["actor"]["id"] for w in program.workers()}
        program.ends(signal.SIGTERM)


@case
def a_reload_whose_worker_does_not_start_keeps_the_old_ones():
    with configured("") as program:
        program.running()
        ids = {w["actor"]["id"] for w in program.workers()}
        program.configure("fail = true\n")
        said = program.ask("--reload", code=1)
        assert re.fullmatch(r"echo: spawn of echo-\d: .* it was told to fail; the old workers continue\n", said), said
        assert said.strip().removeprefix("echo: ") in program.said(), "it is logged, too"
        assert ids == {w["actor"]["id"] for w in program.workers()}
        # A worker that dies now is made with the settings that were good.
        pid = int(until("an answer", lambda: (c := program.connect()).line() and c.say("pid")))
        os.kill(pid, signal.SIGKILL)
        until("two workers again", lambda: len(program.workers()) == 2 and all(
            "error" not in w and w["actor"]["process_id"] != pid for w in program.workers()))
        program.ends(signal.SIGTERM)


@case
def a_stop_serves_what_was_accepted_and_leaves_nothing_behind():
    folder = new_folder()
    pid = os.path.join(folder, "pid")
    with echo("--pid-file", pid, "--slow", "700ms", folder=folder) as program:
        program.running()
        assert open(pid).read() == f"{program.process.pid}\n"
        mode = os.stat(program.control).st_mode
        assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600, oct(mode)
        client = program.connect()
        assert client.line() == "hello"
        client.connection.sendall(b"the last\n")
        program.process.send_signal(signal.SIGTERM)
        assert client.line() == "the last"
        assert client.line() == ""
        program.ends()
        assert not os.path.exists(pid) and not os.path.exists(program.control)


@case
def scale_log_levels_and_files():
    folder = new_folder()
    log = os.path.join(folder, "lines")
    with echo("--log-file", log, "--log-format", "json", "--log-level", "info", folder=folder) as program:
        program.running()
        program.ask("--scale", "4")
        assert len(program.workers()) == 4
        program.ask("--scale", "1")
        assert len(program.workers()) == 1
        assert "must be a whole number" in program.ask("--scale", "many", code=2)
        for number in ("0", "-1", "100001"):
            assert f"--scale {number}: must be from 1 to 100000\n" in program.ask("--scale", number, code=2)
        assert "there is no application 'nobody' (applications: echo)" in program.ask("--scale", "nobody=2", code=1)
        for line in open(log):
            record = json.loads(line)
            assert {"time", "level", "process", "name", "text"} <= record.keys(), record
        program.ask("--set-log-level", "error,echo=debug")
        assert program.info()["program"]["log_levels"] == "error,echo=debug"
        assert "is not a log level" in program.ask("--set-log-level", "loud", code=1)
        os.rename(log, log + ".1")
        program.ask("--reload")
        assert "echo: 1 worker replaced" in open(log).read()
        program.ends(signal.SIGTERM)


@case
def top_shows_rates_and_takes_keys():
    with echo("--workers", "1") as program:
        program.running()
        client = program.connect()
        assert client.line() == "hello"
        table = [line.split() for line in program.ask("--top").splitlines()]
        assert table[2][:4] == ["ACTOR", "KIND", "PROCESS", "STATE"], table
        row = dict(zip(table[2], next(line for line in table if line and line[0].startswith("echo-"))))
        assert row["STATE"] == "running" and row["CONNS"] == "1" and row["KIND"] == "process", row
        assert any(line and line[0] == "arbiter" for line in table), table
        # On a terminal it goes on until q is pressed.
        main, other = pty.openpty()
        top = subprocess.Popen([PROGRAM, "echo", "--top", "--control", program.control], stdin=other, stdout=other)
        shown = b""
        while shown.count(b"ACTOR") < 2:
            shown += os.read(main, 10000)
        os.write(main, b"q")
        assert top.wait(20) == 0
        program.ends(signal.SIGTERM)


@case
def unix_sockets_replace_what_is_stale_and_nothing_else():
    folder = new_folder()
    path = os.path.join(folder, "echo.sock")
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(path)
    stale.close()
    with Program("echo", "--bind", "unix:" + path, "--bind", "127.0.0.1:0", folder=folder) as program:
        program.running()
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(path)
        assert Client(connection).line() == "hello"
        assert program.connect().line() == "hello"
        second = subprocess.run([PROGRAM, "echo", "--bind", "unix:" + path, "--control", "none"], capture_output=True,
                                text=True, timeout=20)
        assert second.returncode == 1 and path in second.stderr and second.stderr.count("\n") == 1, second
        second = subprocess.run([PROGRAM, "echo", "--bind", "127.0.0.1:0", "--control", program.control],
                                capture_output=True, text=True, timeout=20)
        assert second.returncode == 1 and "another running program already listens there" in second.stderr, second
        program.ends(signal.SIGTERM)
        assert not os.path.exists(path)


@case
def a_pid_file_is_locked_by_who_lives_and_taken_from_who_died():
    folder = new_folder()
    pid = os.path.join(folder, "pid")
    with echo("--pid-file", pid, folder=folder) as program:
        program.running()
        second = subprocess.run([PROGRAM, "echo", "--bind", "127.0.0.1:0", "--control", "none", "--pid-file", pid],
                                capture_output=True, text=True, timeout=20)
        assert second.returncode == 1 and f"held by process {program.process.pid}" in second.stderr, second
        program.process.kill()
        program.process.wait()
    assert os.path.exists(pid)
    with echo("--pid-file", pid, folder=folder) as program:
        program.running()
        assert open(pid).read() == f"{program.process.pid}\n"
        program.ends(signal.SIGTERM)


@case
def one_that_was_killed_is_started_again_at_once():
    # Its workers live for a moment, and the kernel closes what io_uring holds when the process is gone.
    folder, port = new_folder(), 0
    for _ in range(10):
        with echo("--bind", f"127.0.0.1:{port}", folder=folder) as program:
            port = program.running().at[0]
            program.process.kill()


def start_with_sockets(folder, sockets, *arguments, names=None, environment=None):
    """The program, started as a service manager does, with these sockets as its descriptors from 3 on."""
    high = [os.dup(one.fileno()) for one in sockets]  # none of them is where another is to go

    def hand_over():
        for place, one in enumerate(fcntl.fcntl(fd, fcntl.F_DUPFD, 100) for fd in high):
            os.dup2(one, 3 + place)

    # The numbers are the program's own: a shell that becomes it knows them.
    names = {"LISTEN_FDNAMES": ":".join(names)} if names else {}
    program = subprocess.Popen(["/bin/sh", "-c", 'LISTEN_PID=$$ WATCHDOG_PID=$$ exec "$@"', "sh", PROGRAM, *arguments], cwd=folder,
                               env={**os.environ, "LISTEN_FDS": str(len(sockets)), **names, **(environment or {})},
                               preexec_fn=hand_over, close_fds=False)
    for fd in high:
        os.close(fd)
    return program


def line_from(port):
    return Client(socket.create_connection(("127.0.0.1", port), 10)).line()


@case
def a_service_manager_gives_sockets_and_is_told():
    folder = new_folder()
    notify, environment = service_manager(folder)
    given = socket.create_server(("127.0.0.1", 0))
    program = start_with_sockets(folder, [given], "echo", "--control", "control.sock",
                                 environment={**environment, "WATCHDOG_USEC": "400000"})
    try:
        heard = []

        def hears(word):
            while True:
                heard.append(notify.recv(1000).decode())
                if any(line.startswith(word) for line in heard[-1].split("\n")):
                    return
        hears("READY=1")
        assert line_from(given.getsockname()[1]) == "hello"
        hears("WATCHDOG=1")
        program.send_signal(signal.SIGHUP)
        hears("RELOADING=1")
        assert "MONOTONIC_USEC=" in heard[-1], heard[-1]
        hears("READY=1")
        program.send_signal(signal.SIGTERM)
        hears("STOPPING=1")
        assert program.wait(20) == 0
    finally:
        program.kill()
        program.wait()


@case
def a_service_manager_that_reads_late_is_told_all():
    folder = new_folder()
    notify, environment = service_manager(folder)

    def hears(word):
        while word not in notify.recv(1000).decode().split("\n"):
            pass

    fill_up(environment)
    with echo("--exit-timeout", "60s", "--slow", "60s", "--log-level", "info", folder=folder,
              environment=environment) as program:
        program.running()
        hears("READY=1")
        client = program.connect()
        assert client.line() == "hello"
        client.connection.sendall(b"in work\n")
        fill_up(environment)
        program.process.send_signal(signal.SIGTERM)
        until("it stops", lambda: "stops" in program.said())
        hears("STOPPING=1")  # the program drains, and waits for nobody but its client
        assert program.process.poll() is None
        client.close()
        program.process.kill()


@case
def a_daemon_keeps_its_sockets_and_its_watchdog():
    folder = new_folder()
    notify, environment = service_manager(folder)
    given = socket.create_server(("127.0.0.1", 0))
    # The numbers are those of the process that the service manager has started, and not of the daemon.
    program = start_with_sockets(folder, [given], "echo", "--daemon", "--control", "control.sock",
                                 environment={**environment, "WATCHDOG_USEC": "400000"})
    assert program.wait(20) == 0
    assert line_from(given.getsockname()[1]) == "hello"
    while "WATCHDOG=1" not in notify.recv(1000).decode():
        pass
    done = subprocess.run([PROGRAM, "echo", "--stop", "--control", folder + "/control.sock"], timeout=30)
    assert done.returncode == 0, done


@case
def given_sockets_go_to_the_servers_of_their_names():
    folder = new_folder()
    door, gate = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
    program = start_with_sockets(folder, [gate, door], "gates", "--control", "control.sock",
                                 names=["gate.socket", "door"])
    try:
        assert line_from(door.getsockname()[1]) == "come in"
        assert line_from(gate.getsockname()[1]) == "go on"
    finally:
        program.send_signal(signal.SIGTERM)
        assert program.wait(20) == 0


@case
def a_given_socket_is_shared_whatever_reuse_port_says():
    folder = new_folder()
    given = socket.create_server(("127.0.0.1", 0))
    program = start_with_sockets(folder, [given], "echo", "--control", "control.sock", "--reuse-port")
    try:
        assert line_from(given.getsockname()[1]) == "hello"
    finally:
        program.send_signal(signal.SIGTERM)
        assert program.wait(20) == 0


def open_when_read(path):
    """Opens a FIFO for writing, when somebody has it open for reading."""
    def opened():
        try:
            return os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            return None
    return until("somebody reads " + path, opened)


def config_fifo(folder):
    path = os.path.join(folder, "config")
    os.mkfifo(path)
    return path


@case
def a_signal_that_comes_before_it_runs_is_heard_when_it_runs():
    # A program that reads its settings has hardly begun. It waits for them, and goes on when the signal is there.
    for how in (signal.SIGHUP, signal.SIGUSR1, signal.SIGTERM, signal.SIGINT):
        folder = new_folder()
        path = config_fifo(folder)
        with echo("--config", path, "--log-level", "info", folder=folder) as program:
            fd = open_when_read(path)
            program.process.send_signal(how)
            os.write(fd, b'greeting = "first"\n')
            os.close(fd)
            if how == signal.SIGHUP:
                until("it has read them", lambda: os.path.exists(program.control))
                fd = open_when_read(path)
                os.write(fd, b'greeting = "second"\n')
                os.close(fd)
                program.running()
                until("it has reloaded", lambda: program.connect().line() == "second")
            elif how == signal.SIGUSR1:
                program.running()
                until("it has told its jobs", lambda: "jobs of its loop" in program.said())
            if how in (signal.SIGHUP, signal.SIGUSR1):
                program.process.send_signal(signal.SIGTERM)
            program.ends(code=0)


@case
def a_second_stop_signal_ends_a_start_at_once():
    folder = new_folder()
    path = config_fifo(folder)
    with echo("--config", path, folder=folder) as program:
        fd = open_when_read(path)
        program.process.send_signal(signal.SIGTERM)
        until("the first is taken", lambda: not pending_signals(program.process.pid))
        program.process.send_signal(signal.SIGINT)
        program.ends(code=128 + signal.SIGINT)
        os.close(fd)


def pending_signals(process):
    status = open(f"/proc/{process}/status").read()
    return sum(int(re.search(rf"^{which}:\s*(\w+)$", status, re.M).group(1), 16) for which in ("SigPnd", "ShdPnd"))


@case
def a_daemon_hears_a_signal_that_comes_before_it_runs():
    folder = new_folder()
    pid, log = os.path.join(folder, "pid"), os.path.join(folder, "fifo")
    os.mkfifo(log)
    with echo("--daemon", "--pid-file", pid, "--log-file", log, "--log-level", "info", folder=folder) as program:
        daemon = int(until("its number", lambda: os.path.exists(pid) and open(pid).read()))
        os.kill(daemon, signal.SIGHUP)  # it waits for a reader of its log
        reader = open(log)
        program.ends(code=0)
        until("it has reloaded", lambda: "reload: echo: 2 workers replaced" in reader.readline())
        program.ask("--stop")


@case
def who_waits_for_a_daemon_may_be_ended():
    folder = new_folder()
    pid, log = os.path.join(folder, "pid"), os.path.join(folder, "fifo")
    os.mkfifo(log)
    with echo("--daemon", "--pid-file", pid, "--log-file", log, folder=folder) as program:
        daemon = int(until("its number", lambda: os.path.exists(pid) and open(pid).read()))
        program.ends(signal.SIGTERM, code=-signal.SIGTERM)
        os.kill(daemon, signal.SIGTERM)
        reader = open(log)
        until("the daemon has ended", lambda: not os.path.exists(pid))
        reader.close()


@case
def descriptors_suffice_for_the_connections_or_a_warning_says_so():
    def limited(soft, hard):
        return {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))}

    warning = "max_connections needs 264 descriptors, and the limit is 200"
    with echo("--max-connections", "200", **limited(100, 300)) as program:
        worker = program.running().workers()[0]["actor"]["process_id"]
        assert resource.prlimit(worker, resource.RLIMIT_NOFILE) == (264, 300)
        assert "descriptors" not in program.said()
    with echo("--max-connections", "200", **limited(100, 200)) as program:
        program.running()
        assert warning in program.said(), program.said()
    with echo("--max-connections", "0", **limited(100, 200)) as program:
        program.running()
        assert "descriptors" not in program.said()


@case
def a_scale_that_fails_says_how_many_run():
    with echo("--workers", "2") as program:
        pid = program.running().process.pid
        _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (len(os.listdir(f"/proc/{pid}/fd")) + 6, hard))
        said = program.ask("--scale", "9", code=1)
        found = re.search(r"Too many open files.*; (\d) of 9 workers run", said)
        assert found and 2 <= int(found.group(1)) < 9, said
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (hard, hard))
        assert len(program.workers()) == int(found.group(1))
        program.ask("--scale", "9")
        assert len(program.workers()) == 9


@case
def metrics_live_and_ready():
    with echo("--metrics", "127.0.0.1:0", "--drain-delay", "1500ms") as program:
        program.running()
        at = program.info()["program"]["metrics"]
        for _ in range(3):
            assert program.connect().line() == "hello"
        assert get(at, "/live")[0] == 200
        until("ready", lambda: get(at, "/ready")[0] == 200)
        assert get(at, "/nothing")[0] == 404 and get(at, "/live", "POST")[0] == 405

        def value(name):
            code, text = get(at, "/metrics")
            assert code == 200, text
            return float(re.search(r'^magnetar_%s(?:\{application="echo"\})? (\S+)$' % name, text, re.M).group(1))

        assert value("workers") == 2 and value("up") == 1
        until("three connections", lambda: value("connections_accepted_total") == 3)
        # What dead workers have counted stays in the sums.
        for worker in program.workers():
            os.kill(worker["actor"]["process_id"], signal.SIGKILL)
        lowest = until("they are back", lambda: value("worker_restarts_total") == 2 and value("workers") == 2 and
                       value("connections_accepted_total"))
        assert lowest >= 3, lowest
        # A load balancer hears that it is not ready while it still accepts.
        until("ready again", lambda: get(at, "/ready")[0] == 200)
        program.process.send_signal(signal.SIGTERM)
        until("not ready", lambda: get(at, "/ready")[0] == 503)
        assert program.connect().line() == "hello"
        program.ends()


@case
def workers_over_a_limit_are_replaced():
    with echo("--max-requests", "3", "--max-requests-jitter", "0", "--workers", "1", "--log-level", "info") as program:
        program.running()
        before = program.workers()[0]["actor"]["process_id"]
        for _ in range(3):
            assert program.connect().line() == "hello"
        until("another worker", lambda: program.workers() and program.workers()[0]["actor"].get("process_id", before)
              != before)
        assert "is replaced: it has accepted 3 connections" in program.said(), program.said()
        program.ends(signal.SIGTERM)
    with echo("--max-requests", "3", "--max-requests-jitter", "0", "--workers", "3") as program:
        program.running()
        before = {w["actor"]["id"] for w in program.workers()}
        accepted = lambda w: sum(server["accepted"] for server in w.get("servers", {}).values())
        while True:  # whoever of the three is the first to have served three
            if program.connect().line() == "hello" and any(accepted(w) >= 3 for w in program.workers()):
                break
        spared = {w["actor"]["id"] for w in program.workers() if accepted(w) < 3} & before
        now = until("another worker", lambda: (ids := {w["actor"]["id"] for w in program.workers()}) != before and ids)
        assert spared <= now, (before, spared, now)
        program.ends(signal.SIGTERM)
    with echo("--max-lifetime", "1s", "--workers", "1", "--concurrency", "thread") as program:
        program.running()
        before = program.workers()[0]["actor"]["id"]
        until("another worker", lambda: (w := program.workers()) and w[0]["actor"]["id"] != before)
        program.ends(signal.SIGTERM)


@case
def workers_share_the_connections():
    for limit in ("10000", "0"):
        with echo("--workers", "4", "--max-connections", limit) as program:
            program.running()
            for _ in range(64):
                client = program.connect()
                assert client.line() == "hello"
                client.close()
            shares = [sum(server["accepted"] for server in worker["servers"].values()) for worker in program.workers()]
            assert sum(shares) == 64, shares
            # With epoll all idle workers are woken, and it is for the scheduler who is first.
            assert program.info()["arbiter"]["loop"]["engine"] == "epoll" or min(shares) > 0, shares
            program.ends(signal.SIGTERM)


@case
def a_watched_file_reloads():
    with configured('greeting = "one"\n', "--watch", "echo.toml") as program:
        program.running()
        program.configure('greeting = "two"\n')
        until("the new greeting", lambda: program.connect().line() == "two")
        program.ends(signal.SIGTERM)


@case
def a_daemon_is_ready_when_its_first_process_ends():
    folder = new_folder()
    pid = os.path.join(folder, "pid")
    with echo("--daemon", "--pid-file", pid, "--umask", "027", folder=folder) as program:
        program.ends(limit=20)
        program.process.poll()
        number = int(open(pid).read())
        assert number != program.process.pid
        assert os.getsid(number) != os.getsid(0)
        # Nobody of it holds the terminal.
        for process in [number] + [w["actor"]["process_id"] for w in program.workers()]:
            for stream in range(3):
                assert os.readlink(f"/proc/{process}/fd/{stream}") == "/dev/null", (process, stream)
        program.ask("--info")
        program.ask("--stop")
        until("it has ended", lambda: not os.path.exists(pid))
    done = subprocess.run([PROGRAM, "echo", "--daemon", "--bind", "127.0.0.1:0", "--control", "none", "--fail"],
                          capture_output=True, text=True, timeout=20)
    assert done.returncode == 1 and "it was told to fail" in done.stderr, done


@case
def no_workers_are_one_in_the_first_process():
    with echo("--workers", "0") as program:
        program.running()
        client = program.connect()
        assert client.line() == "hello" and client.say("pid") == str(program.process.pid)
        program.ends(signal.SIGTERM)


@case
def several_applications_have_one_command_line():
    with Program("mall", "--workers", "3", "--door-workers", "2", "--price", "4", "--close") as program:
        program.running()
        until("the shop is closed", lambda: "sold for 4 with 3 workers, door there" in program.said())
        until("the shop has ended", lambda: "workers" not in program.info()["applications"][0])
        client = program.connect()
        assert client.line() == "come in"
        assert len(program.workers(1)) == 2
        assert "door" in program.ask("--info")
        program.ask("--scale", "door=1")
        assert len(program.workers(1)) == 1
        assert "scale: name one of the applications: shop, door" in program.ask("--scale", "1", code=1)
        program.ask("--stop")
        program.ends()
    done = subprocess.run([PROGRAM, "mall", "--print-config", "--door-max-connections", "7"], capture_output=True,
                          text=True)
    assert done.returncode == 0 and "[door]\n" in done.stdout and "max_connections = 7 " in done.stdout, done
    done = subprocess.run([PROGRAM, "twins"], capture_output=True, text=True, timeout=20)
    assert done.returncode == 2 and "two applications with the name 'door'" in done.stderr, done


@case
def workers_know_their_application():
    with Program("mall", "--price", "9") as program:
        program.running()
        shop = program.info()["applications"][0]["workers"][0]
        assert shop["extra"]["knows"] == [True, False, 9], shop["extra"]
        program.ends(signal.SIGTERM)


@case
def an_application_below_an_arbiter_that_runs():
    done = subprocess.run([PROGRAM, "inside"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done
    refused = "refused: an application with the name 'shop' is already running"
    started = "sold for 7 with 1 workers, door not there"
    assert done.stdout.splitlines() == [started, refused, refused, "sold for 7", started], done


@case
def datagrams_are_served_and_wait_during_a_reload():
    for concurrency in ("process", "thread"):
        with Program("udp", "--bind", "127.0.0.1:0", "--concurrency", concurrency, "--exit-timeout", "5s") as program:
            program.running()
            client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            client.connect(("127.0.0.1", program.at[0]))
            client.settimeout(10)

            def ask(text):
                client.send(text.encode())
                return client.recv(100).decode()

            assert ask("hello") == "hello"
            before = ask("pid")
            client.send(b"fail")
            assert ask("still there") == "still there"
            assert program.workers()[0]["servers"][f"127.0.0.1:{program.at[0]}"]["accepted"] == 4
            # One in work is answered, those behind it are the next worker's.
            for text in ("slow", "one", "two"):
                client.send(text.encode())
            program.ask("--reload")
            assert sorted(client.recv(100).decode() for _ in range(3)) == ["one", "slow", "two"]
            assert concurrency == "thread" or ask("pid") != before
            program.ends(signal.SIGTERM)


@case
def the_page_of_settings_is_what_they_are():
    page = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "settings.md")
    printed = subprocess.run([PROGRAM, "settings"], capture_output=True, text=True).stdout
    assert printed == open(page).read(), "docs/settings.md: write anew what `app_programs settings` prints"


@case
def a_control_socket_may_have_spaces_in_its_path():
    folder = new_folder("magnetar app ")
    with Program("echo", "--bind", "127.0.0.1:0", folder=folder) as program:
        program.running()
        assert program.info()["program"]["control"] == folder + "/control.sock"
        program.ask("--stop")
        program.ends()


@case
def operators_words():
    def run(*words, code=0):
        done = subprocess.run([PROGRAM, "echo", *words], capture_output=True, text=True, timeout=20)
        assert done.returncode == code, done
        assert code == 0 or done.stderr.count("\n") == 1, done
        return done.stdout if code == 0 else done.stderr

    assert run("--version") == "echo 3.1\n"
    for word in ("--stop", "--scale", "--reload", "--greeting TEXT", "what each client is told first", "ECHO_BIND"):
        assert word in run("--help"), word
    assert run("--check-config") == ""
    assert "--timeout 0s: must be more than 0s" in run("--check-config", "--timeout", "0s", code=2)
    assert "--umask 999: must be an octal number" in run("--check-config", "--umask", "999", code=2)
    assert "'loud' is not a log level" in run("--check-config", "--log-level", "loud", code=2)
    assert "the port" in run("--check-config", "--bind", "localhost", code=2)
    assert "did you mean --greeting?" in run("--greting", "x", code=2)
    assert "goes with --info" in run("--json", code=2)
    assert "no program runs" in run("--stop", "--control", "/tmp/magnetar-nobody.sock", code=1)
    assert "there is no user 'nobody-at-all'" in run("--user", "nobody-at-all", "--bind", "127.0.0.1:0", code=2)


run_cases()
