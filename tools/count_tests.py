#!/usr/bin/env python3
"""Prints `PASSED FAILED` for a Meson test log: the test cases that each program counted in its own summary."""
import json
import re
import sys

SUMMARIES = (
    re.compile(r"^\[doctest\] test cases: +\d+ \| +(\d+) passed \| +(\d+) failed", re.M),
    re.compile(r"^(\d+) passed, (\d+) failed$", re.M),
)


def counts(test):
    """What the program says of itself; one that ended badly without saying so counts as one more failure."""
    found = [match for summary in SUMMARIES for match in summary.findall(test.get("stdout") or "")]
    passed, failed = map(int, found[-1]) if found else (test["result"] == "OK", 0)
    return passed, max(failed, test["result"] != "OK")


with open(sys.argv[1]) as log:
    results = [counts(json.loads(line)) for line in log]
print(sum(passed for passed, _ in results), sum(failed for _, failed in results))
