"""The logo of a language, for the launcher: from a local kernelspec of that language, else from ipykernel."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kubernel_provisioner.errors import ConfigurationError

NAMES = ("logo-32x32.png", "logo-64x64.png", "logo-svg.svg")


def find_logos(language: str, specs: Mapping[str, Mapping[str, Any]]) -> dict[str, bytes]:
    """Contents by file name; empty when no logo of that language is known here.

    Args:
        language: of the kernel.
        specs: local kernelspecs, as ``KernelSpecManager.get_all_specs`` gives them.
    """
    folders = [
        Path(found["resource_dir"])
        for _, found in sorted(specs.items())
        if str(found["spec"].get("language") or "").lower() == language.lower()
    ]
    if language.lower() == "python" and (ipykernel := importlib.util.find_spec("ipykernel")) is not None:
        folders += [Path(place) / "resources" for place in ipykernel.submodule_search_locations or []]
    return next((logos for folder in folders if (logos := read(folder))), {})


def given_logos(folder: Path) -> dict[str, bytes]:
    """Contents by file name.

    Raises:
        ConfigurationError: there are none.
    """
    logos = read(folder)
    if not logos:
        raise ConfigurationError(f"There is no logo in {folder}.", f"It is one of {', '.join(NAMES)}.")
    return logos


def read(folder: Path) -> dict[str, bytes]:
    """The logos in a folder, by file name."""
    return {name: (folder / name).read_bytes() for name in NAMES if (folder / name).is_file()}
