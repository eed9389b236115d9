#!/usr/bin/env python3
"""Checks headers and their twins below include/magnetar.

R1  What is defined in layer/impl/x.ipp is declared in layer/x.hpp, or nowhere outside that .ipp. A header defines, outside of
    a class, only members of classes that it declares itself. Every .ipp has its header, which includes it at its end, and
    stands in src.hpp. Where headers of a layer need each other's definitions, its impl/layer.ipp lists the twins in their
    order, for one header of the layer to include at its end, and for src.hpp.
R2  A header includes no .ipp but its own, or its layer's.

Reads text, no syntax tree: it knows names at namespace scope and `Class::member`, which is what the rules speak of.
"""
import pathlib
import re
import sys

# Headers that define members of classes which another header declares: templates that need what comes after that class.
# Only to be shortened.
BORROWERS = set("""
    actor/actor.hpp
    actor/core/invoke.hpp
    actor/messaging.hpp
    actor/spawn.hpp
    coro/task.hpp
    wire/json_codec.hpp
""".split())

TAIL = re.compile(r"#if MAGNETAR_HEADER_ONLY\n((?:#include <magnetar/[^>]+\.ipp>\n)+)#endif\n\Z")
INCLUDE = re.compile(r"^\s*#\s*include\s*<magnetar/([^>]+)>", re.M)
COMMENTS = re.compile(r"//[^\n]*|/\*.*?\*/|\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)'", re.S)
INLINE = re.compile(r"^inline (?!const\b|constexpr|constinit|namespace)[^;{=]*?\b(\w+)\(", re.M)
CLASS = re.compile(  # with its members, no forward declaration
    r"\b(?:class|struct|union)\s+(?:\[\[[^\]]*\]\]\s*)?(?:alignas\([^)]*\)\s*)?(?:\w+::)*(\w+)(?:<[^{};]*?>)?(?:\s+final)?\s*(?:\{|:(?!:))"
)
NAMESPACES = ("magnetar", "detail", "testing", "std", "fmt")
# Text in front of a body at namespace scope. Its name is what stands in front of its first parenthesis.
NAME = re.compile(r"((?:\w+(?:<[^<>()]*(?:<[^<>()]*>[^<>()]*)*>)?\s*::\s*)*~?(?:operator\s*(?:\(\)|[^\s(]+|\w+)|\w+))\s*\(")
SKIPPED = {"static_assert", "requires", "decltype", "noexcept", "alignas", "if", "for", "while", "switch", "__attribute__"}


def plain(text):
    """Without comments, texts and preprocessor lines; lines stay where they are."""
    text = COMMENTS.sub(lambda m: "\n" * m[0].count("\n") + ('""' if m[0][0] == '"' else " "), text)
    return re.sub(r"^[ \t]*#(?:[^\n\\]|\\.|\\\n)*", "", text, flags=re.M)


def definitions(text):
    """(line, qualified name) of each function defined at namespace scope."""
    depth, start, found, namespaces = 0, 0, [], []
    i = 0
    while i < len(text):
        c = text[i]
        if c == ";" and depth == len(namespaces):
            start = i + 1
        elif c == "{":
            head = text[start:i]
            if depth == len(namespaces) and re.search(r"\b(?:namespace\b[^;{}()=]*|extern\s*\"\"\s*)$", head):
                namespaces.append(depth)
                start = i + 1
            elif depth == len(namespaces) and (name := defined_by(head)):
                found.append((text.count("\n", 0, i) + 1, name))
            depth += 1
        elif c == "}":
            depth -= 1
            if namespaces and namespaces[-1] == depth:
                namespaces.pop()
            if depth == len(namespaces):
                start = i + 1
        i += 1
    return found


def without_templates(head):
    """`head` without `template <...>` and requires-clauses in front of it."""
    head = head.strip()
    while head.startswith("template"):
        depth = 0
        for i, c in enumerate(head):
            depth += {"<": 1, ">": -1}.get(c, 0) if head[i - 1 : i + 1] != "->" else 0
            if c == ">" and depth == 0:
                head = head[i + 1 :].strip()
                break
        else:
            return head
    return head


def defined_by(head):
    head = without_templates(head)
    if re.match(r"(?:\[\[[^\]]*\]\]\s*)?(?:class|struct|union|enum|concept|using)\b", head):
        return None
    if re.search(r"(?<![=<>!])=(?![=])", head.split("(")[0]) and "operator" not in head.split("(")[0]:
        return None  # a variable
    for match in NAME.finditer(head):
        name = re.sub(r"\s+", "", match[1])
        name = re.sub(r"<[^<>]*(?:<[^<>]*>[^<>]*)*>", "", name) if "operator" not in name else name
        while "::" in name and name.split("::")[0] in NAMESPACES:
            name = name.split("::", 1)[1]
        if name.split("::")[-1] not in SKIPPED:
            return name
    return None


def main():
    root = pathlib.Path(__file__).resolve().parent.parent / "include" / "magnetar"
    if len(sys.argv) > 1:
        root = pathlib.Path(sys.argv[1])
    raw = {path.relative_to(root).as_posix(): path.read_text() for path in sorted(root.rglob("*.?pp"))}
    headers = {name: plain(text) for name, text in raw.items() if name.endswith(".hpp")}
    twins = {name: plain(text) for name, text in raw.items() if name.endswith(".ipp")}
    classes = {name: set(CLASS.findall(text)) for name, text in headers.items()}
    problems, borrowing = [], set()

    def declares(header, name):
        parts = name.split("::")
        if len(parts) > 1:
            return parts[0] in classes[header]
        return re.search(rf"(?<![\w]){re.escape(parts[-1])}\s*\(", headers[header]) is not None

    for name, text in headers.items():
        for function in set(INLINE.findall(text)):
            promised = re.compile(rf"^(?!inline\b|return\b|using\b)\w[\w:<>,&* ]*[ &*]{function}\([^;{{]*\)[^;{{]*;", re.M)
            elsewhere = [] if promised.search(text) else [other for other in headers if promised.search(headers[other])]
            if elsewhere and name in BORROWERS:
                borrowing.add(name)
                continue
            problems += [f"{other}: declares {function}, which {name} defines inline: a file that sees only the "
                         "declaration does not link" for other in elsewhere]

    ends = {name: set(INCLUDE.findall(tail[1])) for name in headers if (tail := TAIL.search(raw[name]))}
    headers_of = {name: header_of(name, headers) for name in twins}
    for name, text in raw.items():
        for included in INCLUDE.findall(text):
            if not name.endswith(".hpp") or not included.endswith(".ipp") or name == "src.hpp":
                continue
            if headers_of.get(included) != name and included != layer_twins(name):
                problems.append(f"{name}: includes {included}, which is not its twin")
            elif included not in ends.get(name, ()):
                problems.append(f"{name}: does not end with #if MAGNETAR_HEADER_ONLY, #include <magnetar/{included}>, #endif")
    listed = {layer: set(INCLUDE.findall(raw[layer])) for layer in twins if layer.endswith("/impl/layer.ipp")}
    in_src = set(INCLUDE.findall(raw.get("src.hpp", "")))
    for layer in listed.keys() & in_src:
        in_src |= listed[layer]
    for layer in listed:
        if not any(f"#include <magnetar/{layer}>" in raw[header] for header in headers if header != "src.hpp"):
            problems.append(f"{layer}: no header includes it")
    for name in twins.keys() - listed.keys():
        header = headers_of[name]
        if not header:
            problems.append(f"{name}: there is no header for it")
            continue
        if name not in ends.get(header, ()) and name not in listed.get(layer_twins(name), ()):
            problems.append(f"{header}: does not end with #if MAGNETAR_HEADER_ONLY, #include <magnetar/{name}>, #endif")
        if name not in in_src:
            problems.append(f"src.hpp: does not include {name}")
        if header not in INCLUDE.findall(raw[name]):
            problems.append(f"{name}: does not include <magnetar/{header}>")
        for line, what in definitions(twins[name]):
            if declares(header, what):
                continue
            elsewhere = [other for other in headers if other != header and "::" in what and declares(other, what)]
            if elsewhere:
                problems.append(f"{name}:{line}: defines {what}, which {elsewhere[0]} declares")
    for name in re.findall(r"#include <magnetar/([^>]+\.ipp)>", raw.get("src.hpp", "")):
        if name not in twins:
            problems.append(f"src.hpp: includes {name}, which there is not")
    for name, text in headers.items():
        for line, what in definitions(text):
            owner = what.split("::")[0]
            if "::" not in what or owner in classes[name]:
                continue
            if not any(owner in declared for declared in classes.values()):
                continue  # a namespace
            borrowing.add(name)
            if name not in BORROWERS:
                problems.append(f"{name}:{line}: defines {what}, which another header declares")
    for name in sorted((BORROWERS & headers.keys()) - borrowing):
        print(f"note: {name} need not be among the BORROWERS of tools/check_twins.py any more")
    if not headers:
        problems.append(f"no headers below {root}")
    for problem in problems:
        print("error:", problem)
    return bool(problems)


def header_of(twin, headers):
    """Its header, or that of x for a second twin x_part.ipp; None."""
    path = pathlib.PurePosixPath(twin)
    stem = path.stem
    while stem:
        name = (path.parent.parent / f"{stem}.hpp").as_posix()
        if name in headers:
            return name
        stem = stem.rpartition("_")[0]
    return None


def layer_twins(name):
    return f"{name.split('/')[0]}/impl/layer.ipp"


if __name__ == "__main__":
    sys.exit(main())
