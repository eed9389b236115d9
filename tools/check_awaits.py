#!/usr/bin/env python3
"""Refuses the forms of an await that a compiler which magnetar supports gets wrong: see tests/compilers/await_forms.cpp.

    check_awaits.py [FILE ...]     those files; all sources and the C++ in documents without any
    check_awaits.py --test         checks itself
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDERS = ["include", "src", "tests", "examples", "bench"]
EXEMPT = {"tests/compilers", "tests/cases", "tests/contract"}  # the forms themselves; what comes from elsewhere

COMMENT_OR_TEXT = re.compile(r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|(?<!\w)\'(?:\\.|[^\'\\\n])+\'', re.S)
CONTROL = re.compile(r"\b(if|while|for|switch)\s*(?:constexpr\s*)?$")
# A statement that begins with a type and a name: a variable. Conditions and loops may declare one, too.
KEYWORDS = "return|co_return|co_await|co_yield|throw|delete|new|goto|using|else|case|typedef|static_assert|namespace|operator|do"
VARIABLE = re.compile(
    rf"(?:^|[;{{}}(])\s*(?!(?:{KEYWORDS})\b)(?:(?:const|static|constexpr|auto|unsigned|struct)\b\s*)*"
    r"(?:[A-Za-z_][\w:]*(?:<[^;{}]*>)?(?:::\w+)*[\s&*]+(?:const\s+)?|auto\s*&?\s*\[)(?!(?:and|or|not)\b)[A-Za-z_]\w*\s*(?:\[[^\]]*\]\s*)?(?=[=;{(,:\]])"
)

LAMBDA = re.compile(r"(?<![\w\])])\s*\[[\w\s,&=*]*\]\s*[({]")  # its type is a declaration, too
CAPTURING = re.compile(r"[(,]\s*\[[\w\s,&=*]+\]")  # a lambda handed to a call; its body may be blank already
CAUGHT = re.compile(r"\bcatch\s*\([^)]*\w[\s&]+\w+\)")


def blank(match):
    """A text or comment as spaces: nothing moves, and lines stay lines."""
    return re.sub(r"[^\n]", " ", match[0])


def partner(text, at):
    """The place of the bracket that closes the one at `at`."""
    depth = 0
    for i in range(at, len(text)):
        if text[i] in "([{":
            depth += 1
        elif text[i] in ")]}":
            depth -= 1
            if depth == 0:
                return i
    return len(text) - 1


def opening(text, at):
    """The place of the bracket that is closed at `at`."""
    depth = 0
    for i in range(at, -1, -1):
        if text[i] in ")]}":
            depth += 1
        elif text[i] in "([{":
            depth -= 1
            if depth == 0:
                return i
    return 0


BEFORE_BODY = re.compile(r"([)\]])\s*(?:(?:const|noexcept|mutable|override|final|&&?)\s*)*(?:->\s*[\w:<>,&*\s]+?)?\s*$")


def is_body(text, brace):
    """Whether a function's body, or a lambda's, begins there."""
    match = BEFORE_BODY.search(text, max(0, brace - 200), brace)
    if not match:
        return False
    if match[1] == "]":  # a lambda without parameters, or an element
        start = opening(text, match.start(1))
        return not re.search(r"[\w\])]\s*$", text[:start]) or bool(re.search(r"\breturn\s*$", text[:start]))
    start = opening(text, match.start(1))
    return not re.search(r"\b(if|while|for|switch|catch|constexpr|return)\s*$", text[max(0, start - 40) : start])


def without_bodies(text, begin, end):
    """That part of the text, with the bodies of functions and lambdas in it blanked."""
    result, i = [], begin
    while i < end:
        if text[i] == "{" and i > begin and is_body(text, i):
            close = partner(text, i)
            result.append(re.sub(r"[^\n]", " ", text[i : close + 1]))
            i = close + 1
        else:
            result.append(text[i])
            i += 1
    return "".join(result)


def conditions(own):
    """(place, keyword, condition) of each if, while, for and switch; only what is evaluated as a condition."""
    for match in re.finditer(r"\b(if|while|for|switch)\b\s*(?:constexpr\s*)?\(", own):
        close = partner(own, match.end() - 1)
        inside = own[match.end() : close]
        yield match.start(), match[1], inside


def problems_in(text):
    """(place, sentence) of each form that is refused."""
    text = COMMENT_OR_TEXT.sub(blank, text)
    for match in re.finditer(r"auto\s*(?:&&?|const&?)?\s*\[[\w\s,]+\]\s*=\s*co_await\b", text):
        yield match.start(), "g++ 15 and 16: await into a variable, then take it apart"
    for brace in (i for i, c in enumerate(text) if c == "{" and is_body(text, i)):
        close = partner(text, brace)
        own = without_bodies(text, brace, close)
        if "co_await" not in own:
            continue
        declares = VARIABLE.search(own[1:]) or LAMBDA.search(own) or CAUGHT.search(own)
        for at, keyword, condition in conditions(own):
            if "co_await" not in condition:
                continue
            if keyword == "switch":
                yield brace + at, "g++ 12: await into a variable, then switch"
            elif CAPTURING.search(condition):
                yield brace + at, "g++ 14 breaks on a capture here in a template: name the lambda first"
            elif not declares:
                yield brace + at, "g++ 12 drops it, as the coroutine declares no variable: await into one"
        for match in re.finditer(r"\bco_return\b[^;]*", own):
            if re.search(r"(\?|&&|\|\|)[^;]*\bco_await\b", match[0]):
                yield brace + match.start(), "g++ 12 to 14 await always: await in a statement of its own"
        for match in re.finditer(r"\?[^;:{}]*\bco_await\b[^;{}]*:[^;{}]*\bco_await\b", own):
            yield brace + match.start(), "g++ 12 to 14 await both: use if and else"


def snippets(path):
    """(first line, text) of each C++ part of a file."""
    text = path.read_text()
    if path.suffix != ".md":
        yield 1, text
        return
    for match in re.finditer(r"^ *```cpp\n(.*?)^ *```", text, re.S | re.M):
        yield text.count("\n", 0, match.start(1)) + 1, match[1]


def files():
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.[chi]pp")):
            name = path.relative_to(ROOT).as_posix()
            if not any(name.startswith(e + "/") for e in EXEMPT):
                yield path
    yield from sorted(ROOT.glob("*.md"))
    yield from sorted((ROOT / "docs").rglob("*.md"))


def test():
    refused = [
        "Task<> f() { if (co_await g()) co_return; }",
        "Task<int> f(int p) { while (co_await g() == p) { h(); } co_return 1; }",
        "auto f = [](Actor<>& self) -> Task<> { if (co_await g()) self.stop(); };",
        "Task<> f() { auto x = 1; run([] () -> Task<> { if (co_await g()) h(); }); }",
        "Task<> f() { int n = 1; switch (co_await g()) { case 1: h(); } }",
        "Task<int> f(bool a) { co_return a ? 1 : co_await g(); }",
        "Task<bool> f(bool a) { co_return a && co_await g(); }",
        "Task<> f() { auto [a, b] = co_await g(); }",
        "Task<> f(bool a) { int n = a ? co_await g() : co_await h(); }",
        "Task<> f(int n) { int m = 1; if (co_await g([&n] { return n; })) co_return; }",
    ]
    allowed = [
        "Task<> f() { int n = 1; if (co_await g()) h(n); }",
        "Task<> f() { if (int n = co_await g(); n > 1) h(); }",
        "Task<> f() { if (co_await g()) { Thing<int> made(3); } }",
        "Task<> f() { for (auto& x : all) if (co_await g(x)) h(); }",
        "Task<> f() { if (a) co_await g(); }",
        "Task<> f(int n) { auto m = [n] { return n; }; if (co_await g(m, all[n])) co_return; }",
        "Task<> f() { run([] { int x = 1; }); co_await g(); }",
        "// if (co_await g()) in a comment\nTask<> f() { co_await g(); }",
        "Task<int> f() { co_return co_await g(); }",
        "Task<int> f() { try { h(); } catch (const Error& error) { if (co_await g()) h(); } }",
    ]
    wrong = [t for t in refused if not list(problems_in(t))] + [t for t in allowed if list(problems_in(t))]
    for text in wrong:
        print(f"judged wrongly: {text}")
    return 1 if wrong else 0


def main():
    if sys.argv[1:] == ["--test"]:
        return test()
    found = 0
    for path in [pathlib.Path(name) for name in sys.argv[1:]] or files():
        for first, text in snippets(path):
            for at, sentence in problems_in(text):
                found += 1
                shown = path.relative_to(ROOT) if path.is_absolute() else path
                print(f"error: {shown}:{first + text.count(chr(10), 0, at)}: {sentence}")
    return 1 if found else 0


sys.exit(main())
