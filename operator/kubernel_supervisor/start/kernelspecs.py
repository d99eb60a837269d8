"""Kernelspecs inside the image: where Jupyter looks for them, and what one says."""

import os
import sys

from .console import NOT_FOUND, StartError
from .procfs import read_file
from .programs import find_program


def data_folders(env: "dict[str, str]") -> "list[str]":
    """The folders in which Jupyter looks for kernelspecs, most specific first. Source: jupyter_core ``paths.py``."""
    home = env.get("HOME") or "/"
    share = env.get("XDG_DATA_HOME") or os.path.join(home, ".local/share")
    prefixes = [sys.prefix]
    try:
        prefixes.append(os.path.dirname(os.path.dirname(os.path.realpath(find_program("jupyter", env)))))
    except StartError:
        pass
    folders = [path for path in env.get("JUPYTER_PATH", "").split(os.pathsep) if path]
    folders.append(env.get("JUPYTER_DATA_DIR") or os.path.join(share, "jupyter"))
    folders += [os.path.join(prefix, "share/jupyter") for prefix in [*prefixes, "/opt/conda", "/usr/local", "/usr"]]
    return list(dict.fromkeys(folders))


def find_kernelspecs(env: "dict[str, str]") -> "dict[str, str]":
    """The kernelspecs in this image: name in lower case -> folder. Of two with one name, the first is taken."""
    found = {}  # type: dict[str, str]
    for folder in data_folders(env):
        kernels = os.path.join(folder, "kernels")
        try:
            names = sorted(os.listdir(kernels))
        except OSError:
            continue
        for name in names:
            if os.path.isfile(os.path.join(kernels, name, "kernel.json")):
                found.setdefault(name.lower(), os.path.join(kernels, name))
    return found


def read_kernelspec(name: str, env: "dict[str, str]") -> "tuple[list[str], dict[str, str]]":
    """The argv (placeholders but for ``{connection_file}`` filled in) and env of the kernelspec with that name."""
    specs = find_kernelspecs(env)
    folder = specs.get(name.lower())
    if folder is None:
        there = ", ".join(sorted(specs)) or "none"
        raise StartError(NOT_FOUND, f"no kernelspec named {name!r} in this image; found: {there}")
    try:
        import json  # 8 ms, which only kernels that are named by their kernelspec pay

        spec = json.loads(read_file(os.path.join(folder, "kernel.json")).decode("utf-8"))
        argv = [str(item).replace("{resource_dir}", folder).replace("{prefix}", sys.prefix) for item in spec["argv"]]
        wanted = {str(key): str(value) for key, value in (spec.get("env") or {}).items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StartError(NOT_FOUND, f"{folder}/kernel.json cannot be used: {type(error).__name__}: {error}") from error
    if argv[:1] in (["python"], ["python3"]):  # means: the Python that this kernelspec was installed with
        python = os.path.join(folder.rpartition("/share/jupyter/")[0], "bin", argv[0])
        argv[0] = python if os.access(python, os.X_OK) else argv[0]
    return argv, {key: substitute(value, env) for key, value in wanted.items()}


def substitute(text: str, env: "dict[str, str]") -> str:
    """Fills in ``${VARIABLE}`` as jupyter_client does; unknown ones stay."""
    if "$" not in text:
        return text
    from string import Template

    return Template(text).safe_substitute(env)
