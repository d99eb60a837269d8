#!/usr/bin/python3 -SE
"""Stands before the real runc, on machines that have less than Docker takes for granted.

Docker asks for every capability by name when it starts a privileged container, and runc refuses where the machine has
not got CAP_SYS_RESOURCE to give away. So it is left out of what is asked for.
"""

import itertools
import json
import os
import sys

CAPABILITY, NUMBER = "CAP_SYS_RESOURCE", 24


def may_give() -> bool:
    """Whether the machine has the capability in its bounding set."""
    with open("/proc/self/status") as status:  # noqa: PTH123
        (bounding,) = [int(line.split()[1], 16) for line in status if line.startswith("CapBnd:")]
    return bool(bounding >> NUMBER & 1)


def strip(process: dict[str, dict[str, list[str]]]) -> None:
    """Takes the capability out of a process, as OCI's runtime specification describes one."""
    for names in (process.get("capabilities") or {}).values():
        if CAPABILITY in names:
            names.remove(CAPABILITY)


def rewrite(words: list[str]) -> None:
    """Changes the file that a command line of runc describes its process with."""
    for option, value in itertools.pairwise(words):
        if option in {"--bundle", "-b"}:
            edit(os.path.join(value, "config.json"), "process")  # noqa: PTH118
        elif option in {"--process", "-p"} and "exec" in words:
            edit(value, None)


def edit(path: str, key: str | None) -> None:
    """Strips the process in a JSON file, which is the document itself or has a key in it."""
    if not os.path.exists(path):  # noqa: PTH110
        return
    with open(path) as file:  # noqa: PTH123
        document = json.load(file)
    strip(document[key] if key else document)
    with open(path, "w") as file:  # noqa: PTH123
        json.dump(document, file)


def real() -> str:
    """The next runc on the PATH."""
    here = os.path.dirname(os.path.realpath(__file__))  # noqa: PTH120
    folders = [folder for folder in os.environ["PATH"].split(":") if os.path.realpath(folder) != here]
    return next(path for folder in folders if os.access(path := f"{folder}/runc", os.X_OK))


if __name__ == "__main__":
    if not may_give():
        rewrite(sys.argv[1:])
    os.execv(real(), sys.argv)
