"""Keys that only the operator opens, and only for the KernelInstance that they were sealed for."""

from __future__ import annotations

import base64

import pytest

from kubernel_wire.keys import ConnectionKeys, new_keys
from kubernel_wire.sealed_keys import opened_keys, public_key, seal_keys

OPERATOR = b"operator secret"
PUBLIC = public_key(OPERATOR)
KEYS = new_keys(encrypted=True)
SEALED = seal_keys(PUBLIC, "kernels", "k-1", KEYS)


def test_the_operator_opens_them() -> None:
    assert opened_keys(OPERATOR, "kernels", "k-1", SEALED) == KEYS.texts()


@pytest.mark.parametrize(
    ("operator", "namespace", "name"),
    [
        pytest.param(b"another", "kernels", "k-1", id="another operator"),
        pytest.param(OPERATOR, "kernels", "k-2", id="copied to another KernelInstance"),
        pytest.param(OPERATOR, "others", "k-1", id="copied to another namespace"),
    ],
)
def test_nobody_else_does(operator: bytes, namespace: str, name: str) -> None:
    assert opened_keys(operator, namespace, name, SEALED) is None


def test_what_can_be_seen_says_nothing() -> None:
    seen = base64.b64decode(SEALED)
    for secret in (*KEYS.texts().values(), "k-1"):
        assert secret.encode() not in seen
    assert seal_keys(PUBLIC, "kernels", "k-1", KEYS) != SEALED
    assert OPERATOR not in base64.b64decode(PUBLIC)


@pytest.mark.parametrize("sealed", ["", "x", "AAAA", SEALED[:-8] + "AAAAAAA=", base64.b64encode(b"x" * 500).decode()])
def test_what_is_no_sealed_text_opens_nothing(sealed: str) -> None:
    assert opened_keys(OPERATOR, "kernels", "k-1", sealed) is None


def test_an_empty_key_is_none() -> None:
    assert opened_keys(OPERATOR, "ns", "k", seal_keys(PUBLIC, "ns", "k", ConnectionKeys(""))) is None


@pytest.mark.parametrize("public", ["", "x", "AAAA", base64.b64encode(b"x" * 33).decode()])
def test_what_is_no_public_key_seals_nothing(public: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        seal_keys(public, "kernels", "k-1", KEYS)
