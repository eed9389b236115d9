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
