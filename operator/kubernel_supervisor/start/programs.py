"""Programs inside the image, found as a shell finds them."""

import os

from .console import NOT_EXECUTABLE, NOT_FOUND, StartError


def find_program(name: str, env: "dict[str, str]") -> str:
    """The path of a program, as a shell finds it."""
    if "/" in name:
        candidates = [name]
    else:
        candidates = [os.path.join(folder or ".", name) for folder in env.get("PATH", os.defpath).split(os.pathsep)]
    present = [path for path in candidates if os.path.exists(path)]
    for path in present:
        if os.access(path, os.X_OK) and not os.path.isdir(path):
            return path
    if present:
        raise StartError(NOT_EXECUTABLE, f"{name}: {present[0]} is not executable")
    where = "" if "/" in name else " on PATH ({})".format(env.get("PATH", os.defpath))
    raise StartError(NOT_FOUND, f"{name}: not found in this image{where}")
