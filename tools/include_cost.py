#!/usr/bin/env python3
"""What including each public header costs: preprocessed lines, and which costly headers it brings, in both modes.

    include_cost.py [HEADER ...]      print a table: magnetar.hpp, or all public headers with --all
    include_cost.py --check           compare with tools/include_cost.bounds; what is above its bound is an error
    include_cost.py --update          write the bounds anew, from what there is, 2 % above it

Counts lines that are neither empty nor line markers, so that the numbers depend on the headers and the standard library
alone, and on no clock. The bounds are for g++ 12 (CXX chooses another compiler for the table); --check does nothing
where there is none.
"""
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

from layout import is_public

ROOT = pathlib.Path(__file__).resolve().parent.parent
INCLUDE = ROOT / "include"
BOUNDS = ROOT / "tools" / "include_cost.bounds"
MODES = {"header-only": [], "separate": ["-DMAGNETAR_SEPARATE_COMPILATION"]}
# What takes long to compile, or should reach no user's file.
COSTLY = set("algorithm chrono condition_variable deque functional future iostream list liburing.h map memory mutex random regex"
             " simdjson.h sstream thread unordered_map".split())
MARKER = re.compile(r'^# \d+ "([^"]+)"')


def public_headers():
    for path in sorted(INCLUDE.rglob("*.hpp")):
        name = path.relative_to(INCLUDE / "magnetar").as_posix()
        if is_public(name) and name != "src.hpp":
            yield name


def cost(compiler, header, mode):
    """(lines, costly headers reached)"""
    run = subprocess.run([*compiler, "-std=c++20", f"-I{INCLUDE}", *MODES[mode], "-E", "-x", "c++", "-"],
                         input=f"#include <magnetar/{header}>\n", capture_output=True, text=True)
    if run.returncode:
        sys.exit(f"error: {header} does not preprocess:\n{run.stderr}")
    lines, reached = 0, set()
    for line in run.stdout.splitlines():
        if line.startswith("#"):
            if match := MARKER.match(line):
                name = os.path.basename(match[1])
                # A standard header is the one of that name, not the one in bits/, pstl/ or experimental/.
                if name in COSTLY and not re.search(r"/(bits|pstl|experimental|debug|ext|tr1|magnetar)/", match[1]):
                    reached.add(name)
        elif line.strip():
            lines += 1
    return lines, reached


def costs(compiler, headers):
    jobs = [(header, mode) for header in headers for mode in MODES]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda job: cost(compiler, *job), jobs))
    return dict(zip(jobs, results))


def table(compiler, headers):
    print(f'{"header":<34} {"header-only":>11} {"separate":>9}  costly headers that separate mode reaches')
    found = costs(compiler, headers)
    for header in headers:
        separate = found[header, "separate"]
        print(f'{header:<34} {found[header, "header-only"][0]:>11} {separate[0]:>9}  {" ".join(sorted(separate[1]))}')


def bounded(lines):
    return -(-lines * 102 // 100 // 100) * 100  # 2 % more, in hundreds


def update(compiler):
    headers = list(public_headers())
    found = costs(compiler, headers)
    text = ["# Bounds on what a public header costs with g++ 12: preprocessed lines, header-only and separate; then the costly",
            "# headers that separate mode may reach. Written by tools/include_cost.py --update."]
    for header in headers:
        separate = found[header, "separate"]
        text.append(f'{header} {bounded(found[header, "header-only"][0])} {bounded(separate[0])} '
                    + " ".join(sorted(separate[1])))
    BOUNDS.write_text("\n".join(line.rstrip() for line in text) + "\n")


def check(compiler):
    headers, problems = list(public_headers()), []
    bounds = {}
    for line in BOUNDS.read_text().splitlines():
        if line and not line.startswith("#"):
            header, header_only, separate, *costly = line.split()
            bounds[header] = {"header-only": int(header_only), "separate": int(separate)}, set(costly)
    found = costs(compiler, headers)
    for header in headers:
        if header not in bounds:
            problems.append(f"{header}: has no bound; tools/include_cost.py --update adds it")
            continue
        limits, costly = bounds[header]
        for mode in MODES:
            lines = found[header, mode][0]
            if lines > limits[mode]:
                problems.append(f"{header}: {lines} preprocessed lines {mode}, the bound is {limits[mode]}")
        for extra in sorted(found[header, "separate"][1] - costly):
            problems.append(f"{header}: brings <{extra}> in separate mode")
    for header in bounds.keys() - set(headers):
        problems.append(f"tools/include_cost.bounds: there is no {header}")
    for problem in problems:
        print("error:", problem)
    return bool(problems)


def main():
    compiler = os.environ.get("CXX", "g++").split()
    arguments = sys.argv[1:]
    if arguments[:1] in (["--check"], ["--update"]):
        version = subprocess.run([*compiler, "-dumpversion"], capture_output=True, text=True).stdout.strip()
        says_gcc = "Free Software Foundation" in subprocess.run([*compiler, "--version"], capture_output=True, text=True).stdout
        if not says_gcc or version.split(".")[0] != "12":
            print(f"skipped: the bounds are for g++ 12, this is {' '.join(compiler)} {version}")
            return 0
        return check(compiler) if arguments[0] == "--check" else update(compiler)
    headers = list(public_headers()) if arguments == ["--all"] else arguments or ["magnetar.hpp"]
    return table(compiler, headers)


if __name__ == "__main__":
    sys.exit(main())
