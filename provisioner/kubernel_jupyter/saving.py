"""Keeps what a waiting cell shows out of the notebook's file: pages save now and then by themselves."""

from __future__ import annotations

from typing import Any

from .telling import MARK


def drop_transient_outputs(model: dict[str, Any], **_: Any) -> None:
    """A pre-save hook of the contents manager; changes ``model`` in place."""
    if model.get("type") != "notebook" or not isinstance(model.get("content"), dict):
        return
    for cell in model["content"].get("cells") or []:
        outputs = cell.get("outputs")
        if outputs:
            cell["outputs"] = [output for output in outputs if not (output.get("metadata") or {}).get(MARK)]
