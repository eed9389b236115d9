#!/usr/bin/env python3
"""Updates docs/operators.md: what the operators' commands of the example `echo` print in a terminal, recorded with tmux.

usage: tools/record_operators.py PROGRAM
"""
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time

PAGE = pathlib.Path(__file__).resolve().parent.parent / "docs" / "operators.md"


def with_block(page, heading, text):
    """The page with another text in the first block below that heading."""
    before, section, after = page.partition(f"## {heading}\n")
    assert section, heading
    begin = after.index("```text\n") + len("```text\n")
    return before + section + after[:begin] + text + "\n" + after[after.index("```", begin):]


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
        help_text = recorded(f"{echo} ./echo --help", "the end", lines=120)
        subprocess.run([os.path.join(folder, "echo"), "--stop", "--control", control], check=True)
        page = PAGE.read_text()
        for heading, text in (("--help", f"$ echo --help\n{help_text}"), ("--info", f"$ echo --info\n{info}"),
                              ("--top", f"$ echo --top\n{top}"), ("The rest", "\n".join([*rest, "$ echo --stop"]))):
            page = with_block(page, heading, text)
        PAGE.write_text(page)
        for client in clients:
            client.close()
    finally:
        server.kill()
        server.wait()


main(sys.argv[1])
