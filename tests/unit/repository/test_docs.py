"""The documentation points to what is there, and leaves out no reason, option or target that it promises."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from kubernel_api.conditions import STALLING, Reason

REPO = Path(__file__).parents[3]
PAGES = sorted([*REPO.glob("*.md"), *(REPO / "docs").rglob("*.md")])
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPO)))
def test_links_lead_somewhere(page: Path) -> None:
    broken = [target for target in local_links(page) if not leads_somewhere(page, target)]
    assert broken == []


def test_admins_find_every_reason() -> None:
    text = (REPO / "docs" / "admins.md").read_text()
    # Running is no trouble, Pending is no reason yet; the others are about a start or an end.
    silent = {Reason.RUNNING, Reason.PENDING, Reason.RESTARTING, Reason.POD_REPLACED}
    assert [str(reason) for reason in Reason if f"`{reason}`" not in text and reason not in silent] == []


def test_every_reason_is_said_by_some_line_of_code() -> None:
    """F6: APIError was documented, had its place in two tables, and nothing ever said it."""
    folders = [REPO / "operator" / "kubernel_operator" / room for room in ("decide", "act")]
    code = "".join(page.read_text() for folder in folders for page in folder.rglob("*.py"))
    code += (REPO / "crds" / "kubernel_api" / "status.py").read_text()
    without_tables = re.sub(r"frozenset\(\s*\{.*?\}\s*\)", "", code, flags=re.DOTALL)
    assert [reason.name for reason in Reason if f"Reason.{reason.name}" not in without_tables] == []


def test_admins_are_told_what_does_not_heal() -> None:
    text = (REPO / "docs" / "admins.md").read_text()
    (sentence,) = re.findall(r"^(.*) do not heal by waiting", text, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", sentence)) == {str(reason) for reason in STALLING}


def test_targets_in_the_docs_exist() -> None:
    name = "([a-z0-9-]+)"
    makefiles = "".join((REPO / each).read_text() for each in ("Makefile", "cluster.mk"))
    known = set(re.findall(f"^{name}:", makefiles, re.MULTILINE))
    used = {target for page in PAGES for line in commands(page) for target in re.findall(f"^make (?:-s )?{name}", line)}
    assert used - known == set()


def test_ci_runs_what_the_readme_says() -> None:
    assert "`make lint test` is what CI runs" in (REPO / "README.md").read_text()
    assert (REPO / ".ci" / "run").read_text().rstrip().endswith("exec make lint test")


def test_yaml_in_the_docs_is_yaml() -> None:
    for page in PAGES:
        for block in re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE):
            assert isinstance(yaml.safe_load(block), dict), page


def test_no_path_of_a_machine_is_committed() -> None:
    pattern = r"(^|[^a-z])/(work|root)/|index-url *=|GOPROXY="
    command = ["git", "grep", "-nIE", pattern, "--", ".", f":!{Path(__file__).relative_to(REPO)}"]
    found = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False)
    assert found.stdout.splitlines() == []


def local_links(page: Path) -> list[str]:
    return [target for target in LINK.findall(page.read_text()) if "://" not in target]


def leads_somewhere(page: Path, target: str) -> bool:
    path, _, anchor = target.partition("#")
    file = (page.parent / path) if path else page
    return file.exists() and (not anchor or anchor in anchors(file))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands(page: Path) -> list[str]:
    """The lines of a page's code blocks."""
    return [
        line
        for block in re.findall(r"^```\n(.*?)^```", page.read_text(), re.DOTALL | re.M)
        for line in block.splitlines()
    ]
