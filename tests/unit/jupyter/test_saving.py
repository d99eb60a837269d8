"""What a waiting cell shows never gets into the notebook's file."""

from typing import Any

import pytest

from kubernel_jupyter.saving import drop_transient_outputs
from kubernel_jupyter.telling import MARK

OWN = {"output_type": "display_data", "data": {"text/plain": "4"}, "metadata": {}}
STREAM = {"output_type": "stream", "name": "stdout", "text": "4"}
OURS = {"output_type": "display_data", "data": {"text/plain": "Kernel is starting"}, "metadata": {MARK: True}}


def notebook(*cells: dict[str, Any]) -> dict[str, Any]:
    return {"type": "notebook", "content": {"cells": list(cells)}}


def test_a_waiting_cell() -> None:
    model = notebook({"cell_type": "code", "outputs": [OWN, OURS, STREAM]}, {"cell_type": "markdown"})
    drop_transient_outputs(model=model, path="a.ipynb", contents_manager=None)
    assert model == notebook({"cell_type": "code", "outputs": [OWN, STREAM]}, {"cell_type": "markdown"})


@pytest.mark.parametrize("model", [{"type": "file", "content": "text"}, {"type": "notebook"}, {"type": "directory"}])
def test_other_files(model: dict[str, Any]) -> None:
    before = dict(model)
    drop_transient_outputs(model=model)
    assert model == before
