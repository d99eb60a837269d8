"""Where the pod has a folder of this machine."""

from __future__ import annotations

import os.path
from collections.abc import Mapping
from pathlib import Path, PurePath, PurePosixPath


def mapped(path: str, path_map: Mapping[str, str]) -> str | None:
    """A path as the pod sees it; None where it does not.

    The innermost folder of ``path_map`` counts. A path is also known by its real name: a server that was started in
    ``~/work``, a link, tells its notebooks' folders in one way, and ``path_map`` may say it in the other.

    Args:
        path: on this machine, absolute.
        path_map: folders in pods by folders on this machine, which may begin with ``~``.
    """
    if not Path(path).is_absolute():
        return None
    folders = {os.path.normpath(os.path.expanduser(local)): pod for local, pod in path_map.items()}  # noqa: PTH111
    real = {os.path.realpath(local): pod for local, pod in folders.items()}
    return _below(os.path.normpath(path), folders) or _below(os.path.realpath(path), {**real, **folders})


def _below(path: str, folders: Mapping[str, str]) -> str | None:
    for local, pod in sorted(folders.items(), key=lambda pair: -len(PurePath(pair[0]).parts)):
        if PurePath(path).is_relative_to(local):
            return str(PurePosixPath(pod, *PurePath(path).relative_to(local).parts))
    return None
