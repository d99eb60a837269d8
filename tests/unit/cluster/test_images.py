import re
from pathlib import Path

import pytest

from cluster.errors import ClusterError
from cluster.images import IMAGES, Image, base_image, key, read_contents, requirements, select

REPO = Path(__file__).resolve().parents[3]
IMAGE = Image("one", "one/Dockerfile", inputs=("sources",), requirements="requirements/one.txt")
CONTENTS = {"one/Dockerfile": b"FROM base", "sources/a.py": b"a = 1"}


def test_an_unchanged_image_keeps_its_key() -> None:
    reordered = dict(reversed(list(CONTENTS.items())))
    assert key(IMAGE, CONTENTS, "base") == key(IMAGE, reordered, "base")


@pytest.mark.parametrize(
    ("contents", "base"),
    [
        pytest.param({**CONTENTS, "sources/a.py": b"a = 2"}, "base", id="a changed source"),
        pytest.param({**CONTENTS, "sources/b.py": b""}, "base", id="a new file"),
        pytest.param({"one/Dockerfile": b"FROM base"}, "base", id="a removed file"),
        pytest.param({"one/Dockerfile": b"FROM base", "sources/b.py": b"a = 1"}, "base", id="a renamed file"),
        pytest.param(CONTENTS, "newer base", id="a new base image"),
    ],
)
def test_a_changed_image_gets_a_new_key(contents: dict[str, bytes], base: str) -> None:
    assert key(IMAGE, contents, base) != key(IMAGE, CONTENTS, "base")


def test_contents_leave_out_bytecode(tmp_path: Path) -> None:
    for name in ("one/Dockerfile", "requirements/one.txt", "sources/pkg/a.py", "sources/pkg/__pycache__/a.pyc"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    assert sorted(read_contents(IMAGE, tmp_path)) == ["one/Dockerfile", "requirements/one.txt", "sources/pkg/a.py"]


def test_a_missing_input_is_named(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="Image one: one/Dockerfile is missing from the checkout"):
        read_contents(IMAGE, tmp_path)


def test_all_images_without_a_name() -> None:
    assert select([]) == IMAGES


def test_some_images_in_the_order_asked_for() -> None:
    assert [image.name for image in select(["kernel-r", "operator"])] == ["kernel-r", "operator"]


def test_an_unknown_image_is_named_with_the_known_ones() -> None:
    with pytest.raises(ClusterError, match="There is no image kernel; use some of: kernel-python, operator"):
        select(["kernel"])


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.name)
def test_a_dockerfile_starts_from_an_official_image_that_can_be_replaced(image: Image) -> None:
    text = (REPO / image.dockerfile).read_text()
    assert re.search(r"^ARG BASE_IMAGE=docker\.io/library/(python|debian):\S+$", text, re.MULTILINE)
    stages = re.findall(r"^FROM (\S+)(?: AS (\S+))?$", text, re.MULTILINE)
    assert stages[0][0] == "${BASE_IMAGE}"
    assert {source for source, _ in stages[1:]} <= {name for _, name in stages}


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.name)
def test_an_image_that_copies_a_file_is_rebuilt_when_it_changes(image: Image) -> None:
    text = (REPO / image.dockerfile).read_text()
    copied = [path for line in re.findall(r"^COPY (?!--)(.*)$", text, re.MULTILINE) for path in line.split()[:-1]]
    inputs = (*image.inputs, *requirements(image))
    for path in copied:
        assert any(Path(path).is_relative_to(known) for known in inputs), f"{path} is not among the inputs"


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.name)
def test_whatever_pip_installs_has_hashes(image: Image) -> None:
    """S7: the build backend was installed by name."""
    lines = re.findall(r"pip install (.*)", (REPO / image.dockerfile).read_text())
    allowed = ("--requirement /tmp/requirements.txt", "--no-deps --no-index /tmp/wheel/*.whl")
    assert [line for line in lines if not line.startswith(allowed)] == []
    for path in requirements(image):
        text = (REPO / path).read_text()
        assert text.count("==") <= text.count("--hash=sha256:")


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.name)
def test_every_image_says_what_it_is_based_on(image: Image) -> None:
    repo = Path(__file__).parents[3]
    assert image.base in base_image((repo / image.dockerfile).read_text())
