import pytest

from cluster.native.debian import missing


@pytest.mark.parametrize(
    ("installed", "expected"),
    [
        (set(), ("runc", "nftables")),
        ({"nftables", "bash"}, ("runc",)),
        ({"nftables", "runc"}, ()),
    ],
)
def test_only_missing_packages_are_installed(installed: set[str], expected: tuple[str, ...]) -> None:
    assert missing(("runc", "nftables"), installed) == expected
