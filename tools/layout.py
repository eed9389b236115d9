"""The layers of include/magnetar, from the lowest on, and the rooms inside of them."""

LAYERS = ["base", "coro", "sync", "wire", "loop", "net", "link", "actor", "app", "testing"]
ROOMS = {"actor": ["core", "messaging", "node", "door", "remote", "supervision"]}  # of which none holds a public header


def layer_of(name):
    return name.split("/")[0]


def room_of(name):
    """Its folder below the layer, if that is a room; a public header is in none."""
    layer, *folders = name.split("/")[:-1] or [""]
    return folders[0] if folders and folders[0] in ROOMS.get(layer, []) else None


def is_public(name):
    return not {"detail", "impl"} & set(name.split("/")[:-1]) and not room_of(name)
