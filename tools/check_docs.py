#!/usr/bin/env python3
"""Checks that every test that docs/ names exists."""
import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parent.parent
tests = set()
for path in (root / "tests").rglob("*.cpp"):
    tests.update(re.findall(r'TEST_CASE\(\s*"([^"]+)"', path.read_text()))

for path in (root / "tests").rglob("drive.py"):
    tests.update(re.findall(r"^@case\ndef (\w+)", path.read_text(), re.M))

problems, named = [], 0
for page in sorted((root / "docs").glob("*.md")):
    for number, line in enumerate(page.read_text().splitlines(), 1):
        for name in re.findall(r'\[test: "([^"]+)"\]', line):
            named += 1
            if name not in tests:
                problems.append(f'{page.relative_to(root)}:{number}: there is no test "{name}"')
if not named:
    problems.append("docs/ names no tests")
for problem in problems:
    print("error:", problem)
sys.exit(bool(problems))
