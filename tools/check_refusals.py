#!/usr/bin/env python3
"""Every sentence of a static_assert that a user can meet is pinned by a file of tests/must_not_compile.

    tools/check_refusals.py

A sentence is pinned when a line `// expect: words` of such a file stands in it. What says that a header is wrong, and
not what a user wrote, is listed below with the reason.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
STRING = r'"((?:[^"\\]|\\.)*)"'

# The beginning of a sentence, and why no test pins it.
NOT_FOR_USERS = {
    "the type must be complete where Owned is destroyed": "a header of the library lacks an include",
    "an aggregate can be reflected up to 32 fields": "met only behind the sentence of reflect_shape.hpp, which is pinned",
}


def sentences(text):
    """The texts of the static_asserts of a file: the last argument, its literals joined."""
    text = re.sub(r'"(?:[^"\\]|\\.)*"|//[^\n]*', lambda m: m[0] if m[0][0] == '"' else "", text)
    for start in re.finditer(r"\bstatic_assert\s*\(", text):
        depth, at = 1, start.end()
        for token in re.finditer(r'"(?:[^"\\]|\\.)*"|[()]', text[start.end():]):
            depth += {"(": 1, ")": -1}.get(token[0], 0)
            if depth == 0:
                at = start.end() + token.start()
                break
        last = re.search(rf",\s*((?:{STRING}\s*)+)$", text[start.end():at])
        if last:
            yield "".join(re.findall(STRING, last[1]))


def main():
    pins = [line.removeprefix("// expect: ") for path in (ROOT / "tests/must_not_compile").glob("*.cpp")
            for line in path.read_text().splitlines() if line.startswith("// expect: ")]
    missing, unused = [], set(NOT_FOR_USERS)
    for path in sorted((ROOT / "include").rglob("*.[hi]pp")):
        for sentence in sentences(path.read_text()):
            excused = next((known for known in NOT_FOR_USERS if sentence.startswith(known)), None)
            unused.discard(excused)
            if not excused and not any(pin in sentence for pin in pins):
                missing.append(f"{path.relative_to(ROOT)}: no test expects: {sentence}")
    missing += [f"tools/check_refusals.py: no static_assert says any more: {known}" for known in sorted(unused)]
    print(*missing, sep="\n")
    return bool(missing)


if __name__ == "__main__":
    sys.exit(main())
