#!/usr/bin/env python3
"""Every promise in docs/ names its tests, as → `name of the test`: fails when there is no such test."""
import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parent.parent
tests = set()
for source in (root / "tests").rglob("*.[ch]pp"):
    for name in re.findall(r'(?:TEST_CASE|TEST_CASE_TEMPLATE|SCENARIO)\(\s*"((?:[^"\\]|\\.)*)"', source.read_text()):
        tests.add(name)

missing = 0
for page in sorted((root / "docs").glob("*.md")):
    named = re.findall(r"→\s+`([^`]+)`", page.read_text())
    if not named:
        print(f"{page.relative_to(root)}: names no test")
        missing += 1
    for name in named:
        if name not in tests:
            print(f"{page.relative_to(root)}: no test is called '{name}'")
            missing += 1
sys.exit(missing > 0)
