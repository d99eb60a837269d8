"""What image builds copy is what .dockerignore lets through."""

import re
from pathlib import Path

import pytest

REPO = Path(__file__).parents[3]
DOCKERFILES = [REPO / "operator" / "Dockerfile", *sorted((REPO / "images").rglob("Dockerfile"))]
ALLOWED = {line[1:] for line in (REPO / ".dockerignore").read_text().splitlines() if line.startswith("!")}


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: str(path.relative_to(REPO)))
def test_whatever_is_copied_is_sent(dockerfile: Path) -> None:
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", dockerfile.read_text(), re.MULTILINE)
    sources = {word for line in copied for word in line.split()}
    assert sources
    assert {source.split("/")[0] for source in sources} <= ALLOWED


def test_nothing_that_is_not_copied_is_sent() -> None:
    """The .venv has 700 MB; the list is of what may be sent, not of what may not."""
    assert (REPO / ".dockerignore").read_text().splitlines()[1] == "*"
    assert all((REPO / name).exists() for name in ALLOWED)
