"""The page of options."""

from pathlib import Path

from kubernel_provisioner.options import ProvisionerOptions
from kubernel_provisioner.reference import reference_text

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "provisioner.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == reference_text(), "python -m kubernel_provisioner.reference > the page"


def test_every_option_is_explained() -> None:
    options = set(ProvisionerOptions.class_own_traits(config=True))
    rows = {line.split("`")[1] for line in reference_text().splitlines() if line.startswith("| `")}
    assert rows == options
