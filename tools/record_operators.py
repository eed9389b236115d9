#!/usr/bin/env python3
"""Writes docs/operators.md: what the operators' commands of the example `echo` print in a terminal, recorded by tmux.

usage: tools/record_operators.py PROGRAM >docs/operators.md
"""
import os
import re
import socket
import subprocess
import sys
import tempfile
import time

PAGE = """# What operators see

The program is its own operators' tool: beside the server below, the same binary asks, reloads, scales and stops it. The terminals
are recorded by `tools/record_operators.py`.

## --help

```text
{help}
```

## --info

```text
{info}
```

`--info --json` is all of it for programs: the arbiter with its loop, each application with its monitor and the reasons of the last
deaths, each worker with its mailbox, what it carries out and since when, its servers, its memory and CPU.

## --top

```text
{top}
```

It goes on until `q`; `c`, `m`, `k` and `n` sort, the arrows choose a worker, `s` stops it (its monitor makes another), `r` reloads.

## The rest

```text
{rest}
```

## The control socket

All of the above is asked through a unix socket: `--control PATH`, or in `$RUNTIME_DIRECTORY`, `$XDG_RUNTIME_DIR` or `/tmp/magnetar-UID`.
It is a door of [the protocol](protocol.md), WebSocket and JSON, so that monitoring and deployment in any language can use it. Its file has
mode 0600 before anybody can connect; who connects must be a process of the program's user or of root, and is an administrator there. Others
get 403, whatever token they show. <!-- test: "the_control_socket_is_of_its_user_alone" --> A socket on which nobody listens any more is
replaced; a program that lives, or a file that is no socket, is left alone, and named. <!-- test: "a_stale_control_socket_is_replaced_and_nothing_else" -->

```text
$ examples/clients/client.py ws+unix:/run/echo/echo.sock "" arbiter scale 3
3
```

The arbiter answers there, besides what [every administrator may ask](protocol.md#what-may-be-asked-for):
<!-- test: "the_control_socket_is_an_administrators_door" --> <!-- test: "other_clients_of_doors_are_operators_too" -->

| command | arguments, in this order or by name | result |
|---|---|---|
| `info` | | what `--info --json` prints |
| `stop` | | `{{"process": 14207}}`, at once; the program has ended when that process has |
| `reload` | | what was done, in lines, when all workers are new |
| `scale` | `workers`; `application`, where there are several | the number of workers, when they are there |
| `stop_worker` | `id` | the worker's name; its monitor makes another |
| `log_level` | `levels`, as `info,net=debug` | the levels that hold now |
| `config` | | the settings as a file, each with its origin |

What has begun runs to its end, also when who asked for it has gone. <!-- test: "what_an_operator_began_goes_on_when_he_is_gone" --> Operators are
answered until a drain has ended; then the socket is closed.
"""


def recorded(command, ready, columns=170, lines=70):
    """What a terminal shows, once `ready` is on it."""
    # A server of its own: one that has just been told to end takes no new session.
    tmux = ["tmux", "-S", os.path.join(tempfile.mkdtemp(), "tmux"), "-f", "/dev/null"]
    subprocess.run([*tmux, "new-session", "-d", "-x", str(columns), "-y", str(lines), f"{command}; echo the end; sleep 60"],
                   check=True)
    try:
        for _ in range(600):
            shown = subprocess.run([*tmux, "capture-pane", "-p"], check=True, capture_output=True, text=True).stdout
            if re.search(ready, shown):
                return "\n".join(line.rstrip() for line in shown.split("the end")[0].rstrip().splitlines())
            time.sleep(0.1)
        sys.exit(f"{command}: {shown}")
    finally:
        subprocess.run([*tmux, "kill-server"], check=True)


def main(program):
    folder = tempfile.mkdtemp()
    os.symlink(os.path.abspath(program), os.path.join(folder, "echo"))
    control = os.path.join(folder, "control")
    echo = f"cd {folder}; clear; PS1=; "
    server = subprocess.Popen([os.path.join(folder, "echo"), "--bind", "127.0.0.1:7000", "--control", control],
                              stderr=subprocess.DEVNULL)
    try:
        def run(words):
            return subprocess.run([os.path.join(folder, "echo"), *words.split(), "--control", control], capture_output=True, text=True)
        while run("--info").returncode:
            time.sleep(0.1)
        clients = [socket.create_connection(("127.0.0.1", 7000)) for _ in range(5)]
        for client in clients[:3]:
            client.sendall(b"hello")
            client.recv(100)
        info = recorded(f"{echo} ./echo --info --control {control}", "the end")
        top = recorded(f"{echo} ./echo --top --control {control}", "RUNS")
        rest = []
        for words in ("--scale 3", "--set-log-level info", "--reload", "--show-config | head -n 4"):
            said = recorded(f"{echo} ./echo --control {control} {words}", "the end") if "|" in words else run(words).stdout.rstrip()
            rest.append(f"$ echo {words}\n{said}".rstrip())
        page = PAGE.format(
            help="$ echo --help\n" + recorded(f"{echo} ./echo --help", "the end", lines=120),
            info="$ echo --info\n" + info,
            top="$ echo --top\n" + top,
            rest="\n".join([*rest, "$ echo --stop"]))
        subprocess.run([os.path.join(folder, "echo"), "--stop", "--control", control], check=True)
        print(page, end="")
        for client in clients:
            client.close()
    finally:
        server.kill()
        server.wait()


main(sys.argv[1])
