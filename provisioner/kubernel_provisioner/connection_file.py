"""The connection file that a kernel manager writes: tried while a launch can still be undone.

jupyter_client writes it when the kernel runs, and ends none that it cannot write it for.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .errors import ConfigurationError


def hand_over(manager: Any, info: dict[str, Any]) -> None:
    """Gives a kernel manager its kernel's address, which it writes into the file; it finds both done afterwards.

    Args:
        manager: None, or of another kind, for a provisioner that is used without one.
        info: connection info.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    reconcile = getattr(manager, "_reconcile_connection_info", None)
    if reconcile is None:
        return
    try:
        _drop_unreadable(manager.connection_file)
        reconcile(info)
    except (OSError, RuntimeError) as error:  # the latter where no file can be its owner's alone
        said = getattr(error, "strerror", None) or str(error)
        raise ConfigurationError(
            "The kernel's connection file cannot be written.",
            f"{manager.connection_file}: {said}. JUPYTER_RUNTIME_DIR names another folder for such files.",
        ) from error


def _drop_unreadable(file: str) -> None:
    """Deletes one that is empty, or half of one: a local kernel's start would write over it."""
    if not file or not Path(file).is_file():
        return
    try:
        is_whole = isinstance(json.loads(Path(file).read_bytes())["key"], str)
    except (ValueError, KeyError, TypeError):
        is_whole = False
    if not is_whole:
        Path(file).unlink()
