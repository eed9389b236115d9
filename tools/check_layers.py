#!/usr/bin/env python3
"""Checks who includes whom below include/magnetar: a layer sees itself and the layers before it, and no others.

actor/ has rooms with an order of their own: a header sees its room, the rooms before it, and the public headers of actor/.
Twins (.ipp) may include any header of their layer. No headers include each other in a circle.
"""
import pathlib
import re
import sys

from layout import LAYERS, ROOMS, is_public, layer_of, room_of

UMBRELLA = "magnetar.hpp"  # everything of the layers before app
APP = "app.hpp"  # that, and everything of app
ROOT_FILES = {"config.hpp", "version.hpp"}  # below every layer
SOURCES = "src.hpp"  # all twins, in their order
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)

root = pathlib.Path(__file__).resolve().parent.parent / "include" / "magnetar"
problems = []


def circle():
    """The names of headers that include each other in a circle; empty when none do."""
    done, path = set(), []

    def visit(name):
        if name in path:
            return path[path.index(name) :] + [name]
        if name in done:
            return []
        path.append(name)
        for _, included in headers.get(name, []):
            target = included.removeprefix("magnetar/")
            if target.endswith(".hpp") and (found := visit(target)):
                return found
        path.pop()
        done.add(name)
        return []

    for name in sorted(headers):
        if name.endswith(".hpp") and (found := visit(name)):
            return found
    return []


def check(name, bracket, included):
    layer = layer_of(name)
    if included.startswith("simdjson") and layer != "wire":
        return "only wire/ includes simdjson"
    if bracket == '"':
        return "headers are included as <magnetar/layer/name.hpp>"
    if not included.startswith("magnetar/"):
        return None
    target = included.removeprefix("magnetar/")
    if target not in headers:
        return "there is no such header"
    if target in ROOT_FILES or name == SOURCES:
        return None
    if name == APP:
        return None if target == UMBRELLA or layer_of(target) == "app" else "it includes magnetar.hpp and app/"
    if name == UMBRELLA:
        beyond = LAYERS.index(layer_of(target)) >= LAYERS.index("app")
        return "the umbrella leaves out app and testing" if beyond else None
    if target in {UMBRELLA, APP}:
        return None if LAYERS.index(layer) > LAYERS.index("app") else "the umbrella is for users"
    if layer != layer_of(target) == "testing":
        return "nothing includes testing/"
    if LAYERS.index(layer_of(target)) > LAYERS.index(layer):
        return f"{layer}/ comes before {layer_of(target)}/"
    order, room, other = ROOMS.get(layer, []), room_of(name), room_of(target)
    if layer == layer_of(target) and room and other and name.endswith(".hpp") and order.index(other) > order.index(room):
        return f"{layer}/{room}/ comes before {layer}/{other}/"
    return None


headers = {path.relative_to(root).as_posix(): INCLUDE.findall(path.read_text()) for path in root.rglob("*.?pp")}
for name, includes in sorted(headers.items()):
    if name not in {UMBRELLA, APP, SOURCES} | ROOT_FILES and layer_of(name) not in LAYERS:
        problems.append(f"{name}: {layer_of(name)} is not one of the layers")
        continue
    folder = name.split("/")[1:-1][:1]
    if layer_of(name) in ROOMS and folder and folder[0] not in ROOMS[layer_of(name)] + ["impl"]:
        problems.append(f"{name}: {folder[0]} is not one of the rooms of {layer_of(name)}/")
    for bracket, included in includes:
        if reason := check(name, bracket, included):
            problems.append(f"{name} includes {included}: {reason}")

reached, ahead = set(), [APP]
while ahead:
    name = ahead.pop()
    if name not in reached:
        reached.add(name)
        ahead += [included.removeprefix("magnetar/") for _, included in headers.get(name, [])]
for name in sorted(headers.keys() - reached):
    if is_public(name) and layer_of(name) in LAYERS[: LAYERS.index("app") + 1]:
        problems.append(f"{name}: neither umbrella includes it")

if found := circle():
    problems.append("headers include each other: " + " -> ".join(found))
if not headers:
    problems.append(f"no headers below {root}")
for problem in problems:
    print("error:", problem)
sys.exit(bool(problems))
