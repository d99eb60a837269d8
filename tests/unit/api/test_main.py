"""``python -m kubernel_api``: writes, compares, and the committed files are fresh."""

from pathlib import Path

import pytest

from kubernel_api.__main__ import generated_files, main, stale_files

ROOT = Path(__file__).parents[3]
CRD = "crds/kernelinstances.kubernel.dev.yaml"


def test_the_committed_files_are_fresh() -> None:
    assert stale_files(ROOT) == []


def test_it_generates_both_copies_of_the_crd_and_the_reference() -> None:
    assert list(generated_files()) == [
        CRD,
        "helm/kubernel/templates/crds/kernelinstances.yaml",
        "crds/kerneltemplates.kubernel.dev.yaml",
        "helm/kubernel/templates/crds/kerneltemplates.yaml",
        "crds/kernelpools.kubernel.dev.yaml",
        "helm/kubernel/templates/crds/kernelpools.yaml",
        "docs/reference/kernelinstance.md",
        "docs/reference/kerneltemplate.md",
        "docs/reference/kernelpool.md",
    ]


def test_what_it_wrote_is_not_stale(tmp_path: Path) -> None:
    assert main([], root=tmp_path) == 0
    assert main(["--check"], root=tmp_path) == 0


def test_check_names_the_stale_file_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([], root=tmp_path)
    (tmp_path / CRD).write_text("edited")
    assert main(["--check"], root=tmp_path) == 1
    assert capsys.readouterr().err == f"{CRD} is stale: run `python -m kubernel_api`\n"
    assert (tmp_path / CRD).read_text() == "edited"


def test_a_missing_file_is_stale(tmp_path: Path) -> None:
    assert stale_files(tmp_path) == list(generated_files())
