"""Names: always valid, always the same, never two of one."""

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubernel_api.names import instance_name, label_value, pod_name, secret_name, service_name

DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
UID = "0123abcd-4567-89ef-0123-456789abcdef"
KERNEL_IDS = st.text() | st.uuids().map(str) | st.from_regex(r"[a-z0-9-]{0,60}", fullmatch=True)
INSTANCE_NAMES = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,50}[a-z0-9])?", fullmatch=True)


def hashed(kernel_id: str) -> str:
    return "k-" + hashlib.sha256(kernel_id.encode()).hexdigest()[:32]


@pytest.mark.parametrize(
    ("kernel_id", "expected"),
    [
        pytest.param("0c5f1f4e-8b1c-4f0e-9a52-7b6d1a2e3f40", "k-0c5f1f4e-8b1c-4f0e-9a52-7b6d1a2e3f40", id="uuid"),
        pytest.param("a" * 50, "k-" + "a" * 50, id="52 characters"),
        pytest.param("a" * 51, hashed("a" * 51), id="53 characters"),
        pytest.param("", hashed(""), id="empty"),
        pytest.param("\ud800", "k-" + hashlib.sha256(b"\xed\xa0\x80").hexdigest()[:32], id="half a character"),
        pytest.param("UPPER", hashed("UPPER"), id="upper case"),
        pytest.param("my kernel", hashed("my kernel"), id="space"),
        pytest.param("a.b", hashed("a.b"), id="dot"),
        pytest.param("../../etc", hashed("../../etc"), id="path"),
        pytest.param("-", hashed("-"), id="only a hyphen"),
        pytest.param("a-", hashed("a-"), id="hyphen at the end"),
        pytest.param("-a", "k--a", id="hyphen at the beginning"),
        pytest.param("a\n", hashed("a\n"), id="newline at the end"),
        pytest.param("ünïcode", hashed("ünïcode"), id="not ASCII"),
        pytest.param("٣", hashed("٣"), id="a digit that is not ASCII"),
    ],
)
def test_instance_name(kernel_id: str, expected: str) -> None:
    assert instance_name(kernel_id) == expected


@given(KERNEL_IDS)
def test_instance_name_is_a_dns_label_of_at_most_52_characters(kernel_id: str) -> None:
    name = instance_name(kernel_id)
    assert DNS_LABEL.fullmatch(name)
    assert len(name) <= 52


@given(KERNEL_IDS, KERNEL_IDS)
def test_two_kernel_ids_have_two_names(one: str, two: str) -> None:
    assert (instance_name(one) == instance_name(two)) == (one == two)


@given(INSTANCE_NAMES, st.integers(1, 10**9))
def test_names_of_children_are_dns_labels(name: str, incarnation: int) -> None:
    for child in (secret_name(name, UID), pod_name(name, incarnation), service_name(name)):
        assert DNS_LABEL.fullmatch(child)


@given(INSTANCE_NAMES)
def test_service_name_begins_with_a_letter(name: str) -> None:
    assert re.fullmatch(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", service_name(name))


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(secret_name("demo", UID), "demo-0123abcd45", id="secret"),
        pytest.param(pod_name("demo", 3), "demo-3", id="pod"),
        pytest.param(service_name("demo"), "kernel-demo", id="service"),
        pytest.param(service_name("3d-plots"), "kernel-3d-plots", id="service of a name with a digit first"),
    ],
)
def test_names_of_children(made: str, expected: str) -> None:
    assert made == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("A_b.c-1", "A_b.c-1", id="valid"),
        pytest.param("", "", id="empty"),
        pytest.param("a" * 63, "a" * 63, id="63 characters"),
        pytest.param("a" * 64, hashlib.sha256(b"a" * 64).hexdigest()[:32], id="64 characters"),
        pytest.param("a b", hashlib.sha256(b"a b").hexdigest()[:32], id="space"),
        pytest.param("a\n", hashlib.sha256(b"a\n").hexdigest()[:32], id="newline at the end"),
    ],
)
def test_label_value(text: str, expected: str) -> None:
    assert label_value(text) == expected


@given(st.text())
def test_label_value_is_a_label_value(text: str) -> None:
    assert LABEL_VALUE.fullmatch(label_value(text))
