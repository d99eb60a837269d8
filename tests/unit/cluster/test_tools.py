from pathlib import Path

import pytest

from cluster.errors import ClusterError
from cluster.layout import Layout
from cluster.tools import STAMPS, Build, builds, is_built, kubernetes_linker_flags, kubernetes_module, require

UPSTREAM = """\
module k8s.io/kubernetes

go 1.25.0

require (
\tgithub.com/spf13/cobra v1.10.0
\tk8s.io/api v0.0.0
\tk8s.io/client-go v0.0.0
\tk8s.io/klog/v2 v2.130.1
)
"""


def test_staging_modules_are_replaced_by_published_ones() -> None:
    assert kubernetes_module(UPSTREAM, ("kubelet", "kubectl"), "v1.35.4").splitlines() == [
        "module kubernel.dev/tools/kubernetes",
        "go 1.25.0",
        "require k8s.io/kubernetes v1.35.4",
        "replace (",
        "\tk8s.io/api => k8s.io/api v0.35.4",
        "\tk8s.io/client-go => k8s.io/client-go v0.35.4",
        ")",
        "tool (",
        "\tk8s.io/kubernetes/cmd/kubelet",
        "\tk8s.io/kubernetes/cmd/kubectl",
        ")",
    ]


def test_programs_are_told_their_version() -> None:
    package = "k8s.io/component-base/version"
    assert kubernetes_linker_flags("v1.35.4").split() == [
        "-s",
        "-w",
        "-X",
        f"{package}.gitVersion=v1.35.4",
        "-X",
        f"{package}.gitMajor=1",
        "-X",
        f"{package}.gitMinor=35",
    ]


def test_every_build_has_a_name_of_its_own() -> None:
    names = [build.name for build in builds()]
    assert len(set(names)) == len(names)


def test_a_program_that_is_here_is_not_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    layout = Layout(repo=tmp_path, cache=tmp_path, state=tmp_path)
    layout.bin.mkdir()
    (layout.bin / "kubectl").touch(mode=0o755)
    assert require(layout, "kubectl") == layout.bin / "kubectl"


def test_a_program_that_can_be_neither_found_nor_built_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    layout = Layout(repo=tmp_path, cache=tmp_path, state=tmp_path)
    with pytest.raises(ClusterError, match=r"kubectl: not installed\. Install it, or Go 1\.25"):
        require(layout, "kubectl")


@pytest.mark.parametrize(
    ("stamp", "programs", "expected"),
    [
        pytest.param("example.com/tool@v2", ("tool",), True, id="built"),
        pytest.param("example.com/tool@v1", ("tool",), False, id="another version"),
        pytest.param("example.com/tool@v2", (), False, id="the program is gone"),
        pytest.param(None, ("tool",), False, id="a program without a stamp is not adopted"),
    ],
)
def test_a_stamp_vouches_for_a_build(
    tmp_path: Path, stamp: str | None, programs: tuple[str, ...], expected: bool
) -> None:
    (tmp_path / STAMPS).mkdir()
    if stamp:
        (tmp_path / STAMPS / "tool").write_text(stamp)
    for program in programs:
        (tmp_path / program).touch()
    build = Build("tool", "example.com/tool@v2", ("tool",), make=lambda _scratch: None)
    assert is_built(tmp_path, build) is expected
