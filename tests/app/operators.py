#!/usr/bin/env python3
"""What operators, proxies and log collectors see of a program. usage: operators.py PROGRAM [CASE ...]"""
import json
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import threading
import time

from support import PROGRAM, Client, Door, Program, case, configured, echo, fill_up, get, new_folder, run_cases, service_manager, until

V2 = b"\r\n\r\n\0\r\nQUIT\n"


def lines(program, path=None):
    """The lines of a JSON log; every one of them must be whole."""
    return [json.loads(line) for line in open(path or os.path.join(program.folder, "log")) if line.startswith("{")]


# ---- proxies and accesses


@case
def proxies_name_the_client():
    with echo("--proxies", "127.0.0.0/8", "--log-level", "access=info,warning", "--log-format", "json") as program:
        program.running()
        client = program.connect()
        client.connection.sendall(b"PROXY TCP4 10.1.2.3 10.0.0.1 4711 80\r\n")
        assert client.line() == "hello" and client.say("peer") == "10.1.2.3:4711"
        client.close()
        client = program.connect()
        body = socket.inet_pton(socket.AF_INET6, "2001:db8::1") * 2 + struct.pack("!HH", 4712, 80)
        client.connection.sendall(V2 + struct.pack("!BBH", 0x21, 0x21, len(body)) + body)
        assert client.line() == "hello" and client.say("peer") == "[2001:db8::1]:4712"
        client.close()
        client = program.connect()
        client.connection.sendall(b"hello\n")
        assert client.line() == "", "without a header nothing is served"
        seen = until("both are in the log", lambda: (
            found := {line["client"] for line in lines(program) if line["name"] == "access"}) and len(found) == 2 and found)
        assert seen == {"10.1.2.3:4711", "[2001:db8::1]:4712"}, seen
        program.ends(signal.SIGTERM)
    with echo("--proxies", "10.0.0.0/8") as program:
        program.running()
        client = program.connect()
        assert client.line() == "hello" and client.say("PROXY UNKNOWN") == "PROXY UNKNOWN", "from others it is what they say"
        assert client.say("peer") == "127.0.0.1:%d" % client.connection.getsockname()[1]
        program.ends(signal.SIGTERM)
    done = subprocess.run([PROGRAM, "echo", "--check-config", "--proxies", "10.0.0.1/8"], capture_output=True, text=True)
    assert done.returncode == 2 and "--proxies" in done.stderr and "behind its prefix" in done.stderr, done


@case
def the_access_log_is_a_logger_of_its_own():
    with echo("--log-level", "warning,access=info", "--log-format", "json", "--workers", "1") as program:
        program.running()
        client = program.connect()
        assert client.line() == "hello" and client.say("12345") == "12345"
        mine = "127.0.0.1:%d" % client.connection.getsockname()[1]
        client.close()
        failing = program.connect()
        assert failing.line() == "hello"
        failing.connection.sendall(b"fail\n")
        assert failing.line() == ""
        records = until("two accesses", lambda: len(
            found := [line for line in lines(program) if line["name"] == "access"]) == 2 and found)
        well, failed = sorted(records, key=lambda record: record["failed"])
        assert well["client"] == mine and well["server"] == f"127.0.0.1:{program.at[0]}" and well["worker"] == "echo-1", well
        assert well["bytes_in"] == 6 and well["bytes_out"] == 12 and well["seconds"] >= 0 and well["level"] == "info", well
        assert failed["failed"] is True and failed["text"].startswith("cut off "), failed
        assert not [line for line in lines(program) if line["level"] == "info" and line["name"] != "access"]
        program.ends(signal.SIGTERM)
    with echo("--log-level", "info,access=off") as program:
        program.running()
        client = program.connect()
        assert client.line() == "hello" and client.say("log something") == "log something"
        client.close()
        until("other lines", lambda: "something" in program.said())
        program.ends(signal.SIGTERM)
        assert "access" not in program.said(), program.said()


# ---- logs


@case
def lines_say_when_who_and_what():
    with echo("--log-level", "info", "--workers", "1", "--log-format", "text") as program:
        program.running()
        client = program.connect()
        assert client.line() == "hello" and client.say('log a "quoted" \x1b[31m line') != ""
        pid = program.workers()[0]["actor"]["process_id"]
        found = until("the line", lambda: re.search(
            r'^(\S+) (\d+) \[info\] echo-1: log a "quoted" \\x1b\[31m line client=127\.0\.0\.1:\d+$', program.said(), re.M))
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", found[1]) and int(found[2]) == pid
        program.ends(signal.SIGTERM)


@case
def a_level_reaches_running_workers_and_new_ones():
    with echo("--log-level", "warning", "--log-format", "json", "--workers", "1") as program:
        program.running()
        client = program.connect()
        assert client.line() == "hello" and client.say("debug one") == "debug one"
        program.ask("--set-log-level", "warning,echo=debug")
        assert client.say("debug two") == "debug two"
        os.kill(program.workers()[0]["actor"]["process_id"], signal.SIGKILL)
        client = until("another worker", lambda: (c := program.connect()).line() == "hello" and c)
        assert client.say("debug three") == "debug three"
        program.ask("--reload")  # what the settings say counts again
        client = program.connect()
        assert client.line() == "hello" and client.say("debug four") == "debug four"
        program.ends(signal.SIGTERM)
        texts = [line["text"].strip() for line in lines(program) if line["text"].startswith("debug")]
        assert texts == ["debug two", "debug three"], texts


@case
def a_hung_worker_keeps_no_level_from_the_others():
    with echo("--log-level", "warning", "--log-format", "json", "--workers", "3") as program:
        program.running()
        hung = program.workers()[0]["actor"]
        os.kill(hung["process_id"], signal.SIGSTOP)
        said = program.ask("--set-log-level", "debug", code=1)
        assert f"no answer from {hung['name']}; set in the other workers" in said, said
        assert 'log_level = ["debug"]' in program.ask("--show-config")
        assert re.search("log_level = .*# --set-log-level$", program.ask("--show-config"), re.M)
        os.kill(hung["process_id"], signal.SIGCONT)
        for number in range(12):
            client = program.connect()
            assert client.line() == "hello" and client.say(f"debug {number}") == f"debug {number}"
        until("all say it", lambda: len([line for line in lines(program) if line["text"].startswith("debug ")]) == 12)
        program.ends(signal.SIGTERM)


@case
def lines_of_many_processes_are_whole():
    folder = new_folder()
    log = os.path.join(folder, "lines")
    with echo("--log-level", "info,access=off", "--log-format", "json", "--log-file", log, "--workers", "4",
              folder=folder) as program:
        program.running()

        def talk(number):
            for i in range(40):  # each over a connection of its own: a reload closes those that are idle
                client = program.connect()
                assert client.line() == "hello"
                said = f"log {number}-{i} " + "x" * 1000
                assert client.say(said) == said
                client.close()

        threads = [threading.Thread(target=talk, args=(i,)) for i in range(8)]
        for thread in threads:
            thread.start()
        # A collector moves the file away meanwhile.
        os.rename(log, log + ".1")
        program.process.send_signal(signal.SIGHUP)
        for thread in threads:
            thread.join()
        program.ends(signal.SIGTERM)
        said = [line["text"].split()[1] for path in (log + ".1", log) for line in lines(program, path)
                if line["text"].startswith("log ")]
        assert sorted(said) == sorted(f"{n}-{i}" for n in range(8) for i in range(40)), len(said)


@case
def colours_are_for_terminals():
    for environment, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
        main, other = pty.openpty()
        process = subprocess.Popen([PROGRAM, "echo", "--bind", "127.0.0.1:0", "--control", "none", "--log-level", "info"],
                                   stderr=other, stdout=subprocess.DEVNULL, env={**os.environ, **environment})
        os.close(other)
        shown = b""
        while b"runs: echo" not in shown:
            assert select.select([main], [], [], 20)[0]
            shown += os.read(main, 10000)
        assert (b"\x1b[32minfo" in shown or b"\x1b[32m[info]" in shown or b"\x1b[32m" in shown) == coloured, shown
        process.terminate()
        assert process.wait(20) == 0
        os.close(main)


# ---- what operators see


@case
def info_is_a_tree_with_numbers():
    with echo("--workers", "2") as program:
        program.running()
        client = program.connect()
        assert client.line() == "hello" and client.say("x") == "x"
        info = program.info()
        assert {"name", "version", "state", "control", "log_levels", "ready"} <= info["program"].keys()
        assert info["program"]["name"] == "echo" and info["program"]["version"] == "3.1"
        app = info["applications"][0]
        assert app["name"] == "echo" and app["wanted"] == 2 and app["listens"] == [f"127.0.0.1:{program.at[0]}"]
        assert app["connections"] == sum(w["servers"][app["listens"][0]]["connections"] for w in app["workers"]), app
        assert app["monitor"]["monitor"]["workers"] == 2 and app["monitor"]["monitor"]["restarts"] == 0
        server, = [w["servers"][app["listens"][0]] for w in app["workers"] if w["servers"][app["listens"][0]]["connections"]]
        assert server["accepted"] == 1 and server["bytes_in"] == 2 and server["bytes_out"] == 8, server
        text = program.ask("--info")
        head, second, *rest = text.splitlines()
        engine = info["arbiter"]["loop"]["engine"]
        assert re.fullmatch(rf"echo 3\.1: process {program.process.pid}, running, up [\d.]+ s, {engine}", head), head
        assert re.fullmatch(rf"  echo +2 of 2 workers, 0 restarts, listens on 127\.0\.0\.1:{program.at[0]}", second), second
        assert len(rest) == 2, text
        for line, worker in zip(rest, app["workers"]):
            assert re.fullmatch(rf"    echo-[12] +process {worker['actor']['process_id']}, running, up [\d.]+ s, mailbox 0/1024, "
                                rf"[\d.]+ MiB, cpu [\d.]+ s, connections [01] \([01] accepted\)", line), line
        program.ends(signal.SIGTERM)


@case
def top_sorts_reloads_and_stops_one():
    with echo("--workers", "2", "--log-level", "info") as program:
        program.running()
        main, other = pty.openpty()
        top = subprocess.Popen([PROGRAM, "echo", "--top", "--control", program.control], stdin=other, stdout=other)
        shown = [b""]

        def sees(what):
            def look():
                while select.select([main], [], [], 0)[0]:
                    shown[0] += os.read(main, 10000)
                return re.search(what, shown[0])
            return until(f"top shows {what}", look)

        sees(rb"ACTOR +KIND +PROCESS +STATE +MAILBOX +CONNS +NEW/S +MSG/S +CPU% +MIB +RUNS")
        for key in (b"c", b"m", b"k", b"n"):
            shown[0] = b""
            os.write(main, key)
            sees(rb"echo-2")
        os.write(main, b"\x1b[B")  # down: the first, the arbiter
        sees(rb"> arbiter")
        os.write(main, b"s")
        sees(rb"no worker has the id")
        os.write(main, b"\x1b[B")
        sees(rb"> echo-1")
        before = {w["actor"]["name"]: w["actor"]["id"] for w in program.workers()}
        os.write(main, b"s")
        until("another in its place", lambda: before["echo-1"] not in (
            now := [w["actor"]["id"] for w in program.workers()]) and before["echo-2"] in now and len(now) == 2)
        before = {w["actor"]["id"] for w in program.workers()}
        os.write(main, b"r")
        until("all are new", lambda: not before & {w["actor"]["id"] for w in program.workers()})
        os.write(main, b"q")
        assert top.wait(20) == 0
        program.ends(signal.SIGTERM)


# ---- the control socket


@case
def the_control_socket_is_an_administrators_door():
    with echo("--workers", "1") as program:
        program.running()
        door = Door(program.control)
        assert door.status == 101, door.head
        info = door.ask({"id": "a", "command": "info"})["result"]
        assert info["program"]["name"] == "echo" and info["program"]["control"] == program.control
        assert door.ask({"id": 1, "command": "info", "target": "arbiter"})["result"]["applications"], "the same by name"
        assert door.ask({"id": 2, "command": "log_level", "args": ["error"]}) == {"id": 2, "result": "error"}
        assert door.ask({"id": 3, "command": "log_level", "args": {"levels": "info"}})["result"] == "info"
        assert "greeting = " in door.ask({"id": 4, "command": "config"})["result"]
        assert door.ask({"id": 5, "command": "scale", "args": {"workers": 2, "application": "echo"}})["result"] == 2
        assert len(program.workers()) == 2
        # What is wrong is told as at every door, and it goes on.
        for command, args, kind, words in (("shout", [], "CommandNotFound", "no command 'shout'"),
                                           ("scale", [], "CodecError", "'workers' is missing"),
                                           ("scale", ["two"], "CodecError", "expected an integer"),
                                           ("scale", [-1], "CodecError", ""),
                                           ("scale", [0], "std::invalid_argument", "at least 1 worker"),
                                           ("scale", [2, "nobody"], "std::invalid_argument",
                                            "there is no application 'nobody' (applications: echo)"),
                                           ("stop_worker", ["nobody"], "std::invalid_argument", "no worker has the id"),
                                           ("log_level", ["loud"], "std::invalid_argument", "is not a log level")):
            error = door.ask({"id": 6, "command": command, "args": args})["error"]
            assert error["type"] == kind and words in error["message"], (command, error)
        assert door.ask("no JSON")["error"]["type"] == "JsonError"
        # An administrator may ask for all that a door offers, of every actor.
        names = {actor["name"] for actor in door.ask({"id": 7, "command": "list"})["result"]}
        assert {"arbiter", "echo"} <= names, names
        worker = program.workers()[0]["actor"]
        assert door.ask({"id": 8, "command": "info", "target": worker["id"]})["result"]["actor"]["name"] == worker["name"]
        assert door.ask({"id": 9, "command": "reload"})["result"][-1] == "echo: 2 workers replaced"
        assert door.ask({"id": 10, "command": "stop"})["result"] == {"process": program.process.pid}
        assert door.hears()[0] == 8, "it says that it closes"
        program.ends()


@case
def a_broken_configuration_file_does_not_lock_operators_out():
    with configured("") as program:
        program.running()
        program.configure('workers = "many"\n')
        words = ["--config", program.config]
        said = program.ask("--reload", *words, code=1)
        assert "the configuration file is ignored" in said and "many" in program.said(), (said, program.said())
        done = subprocess.run([PROGRAM, "echo", "--info", *words, "--control", program.control], capture_output=True, text=True)
        assert done.returncode == 0 and "echo" in done.stdout and "ignored" in done.stderr, done
        # What is wrong on the command line itself is still refused, and so is a start.
        assert "--workers" in program.ask("--info", "--workers", "many", *words, code=2)
        done = subprocess.run([PROGRAM, "echo", *words], capture_output=True, text=True, timeout=20)
        assert done.returncode == 2 and "many" in done.stderr, done
        program.ask("--stop", *words)
        program.ends()


@case
def what_an_operator_began_goes_on_when_he_is_gone():
    with echo("--workers", "2", "--slow", "700ms", "--exit-timeout", "60s") as program:
        program.running()
        before = {worker["actor"]["id"] for worker in program.workers()}
        clients = [program.connect() for _ in range(8)]
        for client in clients:
            assert client.line() == "hello"
            client.connection.sendall(b"work\n")
        door = Door(program.control)
        door.say(json.dumps({"id": 1, "command": "reload"}))
        until("it has begun", lambda: {worker["actor"]["id"] for worker in program.workers()} - before)
        door.socket.close()
        until("all are new", lambda: not {worker["actor"]["id"] for worker in program.workers()} & before)
        assert [client.line() for client in clients] == ["work"] * 8
        door = Door(program.control)
        assert until("the reload is over", lambda: door.ask({"id": 1, "command": "reload"}).get("result"))
        program.ends(signal.SIGTERM)


@case
def other_clients_of_doors_are_operators_too():
    python, client = "/usr/bin/python3", os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "examples", "clients", "client.py")
    if subprocess.run([python, "-c", "import websockets"], capture_output=True).returncode:
        return
    with echo("--workers", "1") as program:
        program.running()
        done = subprocess.run([python, client, "ws+unix:" + program.control, "", "arbiter", "info"], capture_output=True,
                              text=True, timeout=20)
        assert done.returncode == 0 and json.loads(done.stdout)["program"]["state"] == "running", done
        program.ends(signal.SIGTERM)


def as_nobody(path):
    """What a process of another user sees at the socket: the status, or the name of the error."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
            said = Door(path).head.decode()
        except OSError as error:
            said = type(error).__name__
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    said = os.read(reading, 10000).decode()
    os.close(reading)
    os.waitpid(child, 0)
    return said


@case
def the_control_socket_is_of_its_user_alone():
    if os.geteuid() != 0:
        return
    folder = new_folder()
    os.chmod(folder, 0o755)
    with echo(folder=folder) as program:
        program.running()
        assert as_nobody(program.control) == "PermissionError"
        # Also where the file is everybody's.
        os.chmod(program.control, 0o666)
        assert as_nobody(program.control).startswith("HTTP/1.1 403 "), as_nobody(program.control)
        assert Door(program.control).status == 101
        program.ends(signal.SIGTERM)
    with echo("--user", "nobody", folder=new_folder()) as program:
        os.chmod(program.folder, 0o777)
        program.running()  # root asks
        assert as_nobody(program.control).startswith("HTTP/1.1 101 ")
        program.ends(signal.SIGTERM)


@case
def a_stale_control_socket_is_replaced_and_nothing_else():
    folder = new_folder()
    path = os.path.join(folder, "control.sock")
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(path)
    stale.close()
    with echo(folder=folder) as program:
        program.running()
        second = subprocess.run([PROGRAM, "echo", "--bind", "127.0.0.1:0", "--control", path], capture_output=True,
                                text=True, timeout=20)
        assert second.returncode == 1 and second.stderr == f"echo: {path}: another running program already listens there\n", second
        assert Door(path).status == 101
        program.process.kill()
        program.process.wait()
    assert os.path.exists(path)
    assert "no program runs that listens on " + path in Program.ask(program, "--info", code=1)
    with echo(folder=folder) as program:
        program.running().ends(signal.SIGTERM)
    assert not os.path.exists(path)
    open(path, "w").close()
    other = subprocess.run([PROGRAM, "echo", "--bind", "127.0.0.1:0", "--control", path], capture_output=True, text=True,
                           timeout=20)
    assert other.returncode == 1 and "the file is not a socket" in other.stderr and os.path.isfile(path), other


# ---- health and metrics


@case
def ready_asks_the_users_check():
    folder = new_folder()
    unready = os.path.join(folder, "unready")
    with echo("--unready", unready, "--metrics", "127.0.0.1:0", folder=folder) as program:
        program.running()
        at = program.info()["program"]["metrics"]
        until("ready", lambda: get(at, "/ready") == (200, "ready\n"))
        open(unready, "w").close()
        until("not ready", lambda: get(at, "/ready") == (503, "not ready\n"))
        assert program.info()["program"]["ready"] is False and get(at, "/live")[0] == 200
        os.unlink(unready)
        until("ready again", lambda: get(at, "/ready")[0] == 200)
        program.ends(signal.SIGTERM)


@case
def clients_that_say_nothing_delay_no_health_check():
    with echo("--metrics", "127.0.0.1:0") as program:
        program.running()
        at = program.info()["program"]["metrics"]
        host, port = at.rsplit(":", 1)
        idle = [socket.create_connection((host, int(port)), 20) for _ in range(20)]
        slow = socket.create_connection((host, int(port)), 20)
        slow.sendall(b"GET /li")
        assert get(at, "/live")[0] == 200  # one behind the other they would take 40 s, and it waits 10
        slow.sendall(b"ve HTTP/1.1\r\n\r\n")
        assert slow.makefile("rb").readline() == b"HTTP/1.1 200 OK\r\n"
        assert [client.recv(100) for client in idle] == [b""] * len(idle)
        # More than there is place for are those that came last.
        crowd = [socket.create_connection((host, int(port)), 20) for _ in range(200)]
        assert get(at, "/live")[0] == 200
        program.ends(signal.SIGTERM)
        for client in (*idle, *crowd, slow):
            client.close()


@case
def a_client_that_never_ends_its_request_is_closed():
    with echo("--metrics", "127.0.0.1:0") as program:
        program.running()
        host, port = program.info()["program"]["metrics"].rsplit(":", 1)
        client = socket.create_connection((host, int(port)), 20)
        client.sendall(b"GET /live HTTP/1.1\r\n\r\n")

        def is_closed():  # however much it sends, and however fast
            try:
                client.sendall(b"x" * 1024)
            except OSError:
                return True

        until("it is closed", lambda: any(is_closed() for _ in range(1000)))
        client.close()
        program.ends(signal.SIGTERM)


@case
def live_is_no_more_when_the_arbiter_hangs():
    with echo("--metrics", "127.0.0.1:%d" % (port := free_port()), "--hang", "13s") as program:
        at = f"127.0.0.1:{port}"

        def asked(path):
            try:
                return get(at, path)[0]
            except OSError:
                return 0

        until("live", lambda: asked("/live") == 200)
        until("its workers run", lambda: "started 2" in program.said())
        until("not live", lambda: asked("/live") == 503)
        assert asked("/metrics") == 503
        until("live again", lambda: asked("/live") == 200)
        program.running().ends(signal.SIGTERM)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@case
def metrics_have_names_types_and_labels():
    with echo("--metrics", "127.0.0.1:0", "--concurrency", "process") as program:
        program.running()
        at = program.info()["program"]["metrics"]
        client = program.connect()
        assert client.line() == "hello" and client.say("12345") == "12345"
        code, text = get(at, "/metrics")
        assert code == 200
        types = dict(re.findall(r"^# TYPE magnetar_(\S+) (\S+)$", text, re.M))
        values = {name: float(value) for name, value in
                  re.findall(r'^magnetar_(\w+)(?:\{application="echo"\})? (\S+)$', text, re.M)}
        assert types.keys() == values.keys() and len(types) == len(re.findall("^# HELP", text, re.M)), (types, values)
        assert all((kind == "counter") == name.endswith("_total") for name, kind in types.items()), types
        for name, value in (("up", 1), ("workers", 2), ("workers_wanted", 2), ("workers_silent", 0), ("connections", 1),
                            ("mailbox_depth", 0), ("worker_restarts_total", 0), ("connections_accepted_total", 1),
                            ("bytes_received_total", 6), ("bytes_sent_total", 12), ("connections_failed_total", 0),
                            ("connections_lost_total", 0), ("connections_idle_total", 0)):
            assert values[name] == value, (name, values[name])
        for name in ("uptime_seconds", "arbiter_memory_bytes", "memory_bytes", "loop_turns_total", "cpu_seconds_total"):
            assert values[name] > 0, name
        # A worker that does not answer is silent, and delays a scrape by its deadline alone.
        silent = program.workers()[0]["actor"]["process_id"]
        os.kill(silent, signal.SIGSTOP)
        begin = time.monotonic()
        code, text = get(at, "/metrics")
        assert code == 200 and 'workers_silent{application="echo"} 1' in text, text
        assert values["connections_accepted_total"] <= float(
            re.search(r"^magnetar_connections_accepted_total\S* (\S+)$", text, re.M)[1])
        assert time.monotonic() - begin < 2.5
        os.kill(silent, signal.SIGCONT)
        program.ends(signal.SIGTERM)


@case
def silent_workers_of_several_applications_delay_a_scrape_by_a_second():
    with Program("mall", "--metrics", "127.0.0.1:0") as program:
        program.running()
        at = program.info()["program"]["metrics"]
        for application in range(2):
            os.kill(program.workers(application)[0]["actor"]["process_id"], signal.SIGSTOP)
        code, text = get(at, "/metrics")
        assert code == 200 and len(re.findall(r"^magnetar_workers_silent\S* 1$", text, re.M)) == 2, (code, text)


@case
def no_total_falls_when_an_application_ends():
    with Program("mall", "--workers", "2", "--metrics", "127.0.0.1:0") as program:
        program.running()
        at = program.info()["program"]["metrics"]

        def totals():
            code, text = get(at, "/metrics")
            assert code == 200
            return {name: float(value) for name, value in
                    re.findall(r'^magnetar_(\w+_total){application="shop"} (\S+)$', text, re.M)}

        os.kill(program.workers()[0]["actor"]["process_id"], signal.SIGKILL)
        until("a restart", lambda: totals()["worker_restarts_total"] == 1)
        before = totals()
        os.kill(program.workers()[1]["actor"]["process_id"], signal.SIGKILL)
        until("another", lambda: totals()["worker_restarts_total"] == 2)
        Door(program.control).ask({"id": 1, "command": "stop", "target": "shop"})
        until("the shop has ended", lambda: "workers" not in program.info()["applications"][0])
        after = totals()
        assert after["worker_restarts_total"] == 2 and all(after[name] >= before[name] for name in before), (before, after)
        program.ends(signal.SIGTERM)


# ---- the process


@case
def a_service_manager_that_reads_nothing_holds_up_nothing():
    folder = new_folder()
    manager, environment = service_manager(folder)
    fill_up(environment)
    with echo(environment={**environment, "WATCHDOG_USEC": "100000"}, folder=folder) as program:
        program.running()
        assert program.connect().line() == "hello"
        program.ask("--reload")
        program.ends(signal.SIGTERM)


@case
def it_runs_without_standard_streams():
    """Their numbers are not given to sockets, which would get what is printed."""
    for daemon in ([], ["--daemon"]):
        folder = new_folder()
        paths = [os.path.join(folder, name) for name in ("control.sock", "pid")]
        process = subprocess.Popen(
            ["/bin/sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", PROGRAM, "echo", "--bind", "127.0.0.1:0", "--control",
             paths[0], "--pid-file", paths[1], "--log-level", "debug", *daemon])
        program = Program.__new__(Program)
        program.which, program.control, program.process = "echo", paths[0], process
        info = until("it runs", lambda: os.path.exists(paths[0]) and (found := program.info())["program"]["state"] == "running"
                     and found)
        port = int(info["applications"][0]["listens"][0].rsplit(":", 1)[1])
        client = Client(socket.create_connection(("127.0.0.1", port), 10))
        assert client.line() == "hello" and client.say("log something") == "log something"
        for number in [int(open(paths[1]).read())] + [w["actor"]["process_id"] for w in info["applications"][0]["workers"]]:
            assert [os.readlink(f"/proc/{number}/fd/{stream}") for stream in range(3)] == ["/dev/null"] * 3, number
        program.ask("--stop")
        assert process.wait(20) == 0


@case
def logs_that_cannot_be_written_end_nothing():
    for arguments, stream in ((["--log-file", "/dev/full"], None), ([], "/dev/full")):
        folder = new_folder()
        program = echo("--log-level", "debug", *arguments, folder=folder)
        if stream:
            program.process.kill()
            program.process.wait()
            os.path.exists(program.control) and os.unlink(program.control)
            with open(stream, "w") as full:
                program.process = subprocess.Popen(
                    [PROGRAM, "echo", "--bind", "127.0.0.1:0", "--control", program.control, "--log-level", "debug"],
                    stdout=full, stderr=full, cwd=folder)
        with program:
            program.running()
            client = program.connect()
            assert client.line() == "hello" and client.say("log something") == "log something"
            program.ask("--reload")
            program.ends(signal.SIGTERM)


@case
def what_cannot_be_printed_is_no_success():
    with echo() as program:
        program.running()
        for words in (["--help"], ["--version"], ["--print-config"], ["--info"], ["--show-config"]):
            with open("/dev/full", "w") as full:
                done = subprocess.run([PROGRAM, "echo", *words, "--control", program.control], stdout=full,
                                      stderr=subprocess.PIPE, text=True, timeout=20)
            assert done.returncode == 1 and "No space left on device" in done.stderr, (words, done)
        program.ends(signal.SIGTERM)


@case
def it_becomes_another_user():
    if os.geteuid() != 0:
        return
    folder = new_folder()
    os.chmod(folder, 0o777)
    with echo("--user", "nobody", "--umask", "027", folder=folder) as program:
        program.running()
        import pwd
        nobody = pwd.getpwnam("nobody")
        for process in [program.process.pid] + [w["actor"]["process_id"] for w in program.workers()]:
            status = open(f"/proc/{process}/status").read()
            for name, number in (("Uid", nobody.pw_uid), ("Gid", nobody.pw_gid)):
                assert re.search(rf"^{name}:\t{number}\t{number}\t{number}\t{number}$", status, re.M), status
            assert re.search(r"^Umask:\t0027$", status, re.M) and not re.search(r"^Groups:.*\b0\b", status, re.M), status
        assert os.stat(program.control).st_uid == nobody.pw_uid
        program.ends(signal.SIGTERM)
    with echo("--group", "nogroup", folder=folder) as program:
        program.running()
        import grp
        assert re.search(rf"^Gid:\t{grp.getgrnam('nogroup').gr_gid}\t", open(f"/proc/{program.process.pid}/status").read(), re.M)
        program.ends(signal.SIGTERM)


@case
def a_pid_file_that_its_user_may_not_remove_is_emptied():
    if os.geteuid() != 0:
        return
    folder = new_folder()
    os.chmod(folder, 0o755)
    pid = os.path.join(folder, "pid")
    for _ in range(2):  # the next start takes over what is left
        with echo("--user", "nobody", "--pid-file", pid, "--control", "@" + folder, folder=folder) as program:
            program.control = "@" + folder
            program.running()
            assert int(open(pid).read()) == program.process.pid
            program.ends(signal.SIGTERM)
            assert open(pid).read() == ""


@case
def operators_find_a_socket_in_the_folder_that_it_has_gone_to():
    there = new_folder()
    with Program("echo", "--bind", "127.0.0.1:0", "--chdir", there, "--control", "control.sock") as program:
        until("the socket", lambda: os.path.exists(os.path.join(there, "control.sock")))
        words = ["--control", "control.sock", "--chdir", there]
        for word in ("--info", "--stop"):
            done = subprocess.run([PROGRAM, "echo", word, *words], capture_output=True, text=True, timeout=20)
            assert done.returncode == 0, done
        program.ends()


@case
def the_control_socket_is_where_the_programs_user_has_it():
    """Who calls it with the same words finds it, also as root while it runs as somebody else."""
    if os.geteuid() != 0:
        return
    import pwd
    folder = new_folder()
    environment = {name: value for name, value in os.environ.items() if name != "RUNTIME_DIRECTORY"}
    environment["XDG_RUNTIME_DIR"] = folder  # root's
    name = "/tmp/magnetar-%d/echo.sock" % pwd.getpwnam("nobody").pw_uid
    if os.path.exists(name) and subprocess.run([PROGRAM, "echo", "--info", "--control", name], capture_output=True).returncode == 0:
        return  # somebody's program of that name runs on this machine
    process = subprocess.Popen([PROGRAM, "echo", "--bind", "127.0.0.1:0", "--user", "nobody"], env=environment)
    try:
        until("operators find it", lambda: subprocess.run([PROGRAM, "echo", "--user", "nobody", "--info"], env=environment,
                                                          capture_output=True).returncode == 0)
        assert os.listdir(folder) == []
        # Another one of the name says that operators do not reach it.
        second = subprocess.Popen([PROGRAM, "echo", "--bind", "127.0.0.1:0", "--user", "nobody"], env=environment,
                                  stderr=subprocess.PIPE, text=True)
        assert "[warning] echo: no control socket: " + name in second.stderr.readline()
        second.terminate()
        second.communicate(timeout=20)
        subprocess.run([PROGRAM, "echo", "--user", "nobody", "--stop"], env=environment, check=True, timeout=20)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()


@case
def it_goes_to_a_folder_and_finds_its_file_again():
    there = new_folder()
    with configured('greeting = "one"\n', "--config", "echo.toml", "--chdir", there, "--engine", "epoll") as program:
        program.running()
        assert os.readlink(f"/proc/{program.process.pid}/cwd") == there
        assert program.info()["arbiter"]["loop"]["engine"] == "epoll" == program.workers()[0]["loop"]["engine"]
        program.configure('greeting = "two"\n')
        program.ask("--reload")
        assert program.connect().line() == "two"
        program.ends(signal.SIGTERM)


@case
def its_file_may_be_a_link_and_name_the_folder_itself():
    folder, there = new_folder(), new_folder()
    for name in ("one", "two"):
        with open(os.path.join(folder, name + ".toml"), "w") as file:
            file.write(f'chdir = "{there}"\ngreeting = "{name}"\n')
    link = os.path.join(folder, "echo.toml")
    os.symlink("one.toml", link)
    with echo("--config", "echo.toml", folder=folder) as program:
        program.running()
        assert os.readlink(f"/proc/{program.process.pid}/cwd") == there and program.connect().line() == "one"
        os.symlink("two.toml", link + ".new")
        os.rename(link + ".new", link)
        program.ask("--reload")
        assert program.connect().line() == "two"
        program.ends(signal.SIGTERM)


@case
def a_worker_with_too_much_memory_is_replaced():
    with echo("--max-memory", "1MiB", "--workers", "1", "--log-level", "info") as program:
        program.running()
        until("it is replaced", lambda: re.search(r"is replaced: it has [\d.]+ MiB of memory", program.said()))
        program.ends(signal.SIGTERM)


@case
def settings_have_their_origins():
    with configured('greeting = "file"\nkeep_alive = "10s"\nbacklog = 7\n', "--keep-alive", "30s",
                    environment={"ECHO_BACKLOG": "9"}) as program:
        program.running()
        shown = program.ask("--show-config")
        for line in ('greeting = "file"', "echo.toml:1"), ("backlog = 9", "ECHO_BACKLOG"), ('keep_alive = "30s"', "--keep-alive"), (
                "workers = 2", "code"), ("mailbox = 1024", "default"):
            assert any(all(part in row for part in line) for row in shown.splitlines()), (line, shown)
        # What is printed is a file that reads back.
        program.configure(shown)
        done = subprocess.run([PROGRAM, "echo", "--print-config", "--config", program.config], capture_output=True, text=True)
        without = [re.sub(r" *#.*", "", text) for text in (shown, done.stdout)]
        assert done.returncode == 0 and without[0] == without[1], done
        program.ends(signal.SIGTERM)


run_cases()
