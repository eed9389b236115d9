#!/usr/bin/env python3
"""Checks that every test that docs/ names, as <!-- test: "its name" -->, exists, that links to files and headings lead
somewhere, and that docs/environment.md has every environment variable that the headers read."""
import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parent.parent
tests = set()
for path in (root / "tests").rglob("*.cpp"):
    tests.update(re.findall(r'TEST_CASE\(\s*"([^"]+)"', path.read_text()))

for path in (root / "tests").glob("app/*.py"):
    tests.update(re.findall(r"^@case\ndef (\w+)", path.read_text(), re.M))



def anchors(page):
    """Of its headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


problems, named = [], 0
for page in sorted((root / "docs").rglob("*.md")) + sorted(root.glob("*.md")):
    where, fenced = page.relative_to(root), False
    for number, line in enumerate(page.read_text().splitlines(), 1):
        fenced ^= line.strip().startswith("```")
        if fenced:
            continue
        for name in re.findall(r'<!-- test: "([^"]+)" -->', line) if page.parent != root else ():
            named += 1
            if name not in tests:
                problems.append(f'{where}:{number}: there is no test "{name}"')
        if page.parent != root and "[test:" in line.replace("`[test:", ""):
            problems.append(f'{where}:{number}: write a test\'s name as <!-- test: "its name" -->')
        for link, anchor in re.findall(r"\]\(([^)#:]*)#?([^):]*)\)", line):
            target = page.parent / link if link else page
            if not target.exists():
                problems.append(f"{where}:{number}: there is no file {link}")
            elif anchor and target.suffix == ".md" and anchor not in anchors(target):
                problems.append(f"{where}:{number}: {target.name} has no heading #{anchor}")
environment = (root / "docs" / "environment.md").read_text()
for path in sorted((root / "include").rglob("*.?pp")):
    for name in re.findall(r'getenv\("([^"]+)"\)', path.read_text()):
        if f"`{name}`" not in environment:
            problems.append(f"{path.relative_to(root)}: reads {name}, which docs/environment.md does not have")
if not named:
    problems.append("docs/ names no tests")
for problem in problems:
    print("error:", problem)
sys.exit(bool(problems))
