"""``python -m kubernel_api`` writes the files that are generated from the models; ``--check`` compares them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

from .constants import GROUP
from .crd import DEFINITIONS, custom_resource_definition
from .crd_files import helm_text, kubectl_text
from .reference import PAGES

_ROOT: Final = Path(__file__).resolve().parents[2]


def generated_files() -> dict[str, str]:
    """Path, relative to the repository, and text of every generated file."""
    found: dict[str, str] = {}
    for definition in DEFINITIONS:
        crd = custom_resource_definition(definition)
        found[f"crds/{definition.plural}.{GROUP}.yaml"] = kubectl_text(crd)
        found[f"helm/kubernel/templates/crds/{definition.plural}.yaml"] = helm_text(crd)
    return found | {f"docs/reference/{name}.md": text() for name, text in PAGES.items()}


def stale_files(root: Path) -> list[str]:
    """The generated files below ``root`` that are missing or differ from what the models say."""
    return [path for path, text in generated_files().items() if _read(root / path) != text]


def write_files(root: Path) -> None:
    """Writes every generated file below ``root``."""
    for path, text in generated_files().items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")


def main(arguments: list[str] | None = None, root: Path = _ROOT) -> int:
    """Returns the exit code: 1 when ``--check`` finds a stale file."""
    parser = argparse.ArgumentParser(prog="python -m kubernel_api", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file is stale")
    if not parser.parse_args(arguments).check:
        write_files(root)
        return 0
    stale = stale_files(root)
    for path in stale:
        print(f"{path} is stale: run `python -m kubernel_api`", file=sys.stderr)
    return 1 if stale else 0


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


if __name__ == "__main__":
    sys.exit(main())
