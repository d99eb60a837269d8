"""What is kept of an object, and that it does not depend on how it was read."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.objects import cr, pod, ready_status
from kubernel_operator.observe.cut import AS_IS, ITEMS_MAX, Fields, cut, event_reader, page_reader
from kubernel_operator.observe.kinds import INSTANCES, LEASES, PODS, POOLS, SERVICES

CASES = pytest.mark.parametrize(
    ("value", "fields", "kept"),
    [
        pytest.param({"a": "x", "b": "y"}, {"a": 9, "c": 9}, {"a": "x"}, id="only what is named"),
        pytest.param({"a": "12345"}, {"a": 3}, {"a": "123"}, id="the first characters"),
        pytest.param({"a": "12345"}, {"a": -3}, {"a": "345"}, id="the last characters"),
        pytest.param(
            {"a": 7, "b": True, "c": 1.5}, {"a": 1, "b": 1, "c": 1}, {"a": 7, "b": True, "c": 1.5}, id="numbers"
        ),
        pytest.param({"a": {"x": 1}, "b": ["y"]}, {"a": 9, "b": 9}, {}, id="a text was expected"),
        pytest.param({"a": "x", "b": None}, {"a": {"b": 9}, "b": [9]}, {}, id="no text was expected"),
        pytest.param({"a": [{"x": "1", "y": "2"}]}, {"a": [{"x": 9}]}, {"a": [{"x": "1"}]}, id="items"),
        pytest.param({"a": ["x"] * 99}, {"a": [9]}, {"a": ["x"] * 32}, id="not more items than that"),
        pytest.param({"a": {"b": ["c"]}}, {"a": AS_IS}, {"a": {"b": ["c"]}}, id="what the CRD bounds"),
    ],
)

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=4,
)


def about(fields: Fields) -> st.SearchStrategy[Any]:
    """JSON that is what ``fields`` expect, but for some of it."""
    if fields is AS_IS:
        return anything
    if isinstance(fields, dict):
        parts = {name: about(wanted) for name, wanted in fields.items()}
        expected: st.SearchStrategy[Any] = st.fixed_dictionaries({}, optional={**parts, "another": anything})
    elif isinstance(fields, list):
        expected = st.lists(about(fields[0]), max_size=3)
        expected |= about(fields[0]).map(lambda item: [item] * (ITEMS_MAX + 1))
    else:
        size = abs(fields)
        expected = st.integers() if size == 1 else st.integers(0, size + 1).map(lambda n: "1\u00e4"[n % 2] * n)
    return st.one_of(expected, expected, expected, anything)


@CASES
def test_cut(value: Any, fields: Any, kept: Any) -> None:
    assert cut(value, fields) == kept


@CASES
def test_reading(value: Any, fields: Any, kept: Any) -> None:
    page = {"kind": "List", "metadata": {"resourceVersion": "7", "x": 1}, "items": [value, value]}
    read = page_reader(fields)(json.dumps(page).encode())
    assert read == {"metadata": {"resourceVersion": "7"}, "items": [kept, kept]}
    assert event_reader(fields)(json.dumps({"type": "ADDED", "object": value}).encode())["object"] == kept


@pytest.mark.parametrize("kind", [INSTANCES, PODS, SERVICES, POOLS, LEASES], ids=lambda kind: kind.name)
@given(st.data())
def test_what_is_read_is_what_cut_leaves(kind: Any, data: st.DataObject) -> None:
    value = data.draw(about(kind.fields))
    read = kind.read_page(json.dumps({"items": [value]}).encode())["items"][0]
    # As text: for Python True is 1.
    assert json.dumps(read, sort_keys=True) == json.dumps(cut(value, kind.fields), sort_keys=True)


def test_an_object_that_is_odd_makes_no_other_one_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenant may write what it likes into its own; the others of a page are read the short way."""
    long_ways: list[Any] = []
    monkeypatch.setattr("kubernel_operator.observe.cut.cut", lambda value, _: long_ways.append(value) or {})
    odd = pod()
    odd["metadata"]["annotations"] = {"kubernel.dev/pool": "x" * 300}
    page_reader(PODS.fields)(json.dumps({"items": [pod(), odd, pod()]}).encode())
    assert long_ways == [odd]


@pytest.mark.parametrize(
    ("kind", "obj"),
    [
        pytest.param(PODS, {**pod(), "kind": "Pod"}, id="pod"),
        pytest.param(INSTANCES, cr(status=ready_status(), env=[{"name": "A", "value": "b"}]), id="kernel"),
    ],
)
def test_ordinary_objects_are_read_the_short_way(kind: Any, obj: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kubernel_operator.observe.cut.cut", lambda *_: pytest.fail("the long way"))
    obj["metadata"]["managedFields"] = [{"fieldsV1": {"f:spec": {}}}]
    assert (
        "managedFields" not in page_reader(kind.fields)(json.dumps({"items": [obj]}).encode())["items"][0]["metadata"]
    )


@pytest.mark.parametrize("text", [b"<html>", b"[]", b'{"items": 7}', b'{"items": [{}'])
def test_what_is_no_page(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - its words are for nobody
        PODS.read_page(text)


def test_a_page_without_items() -> None:
    assert PODS.read_page(b'{"metadata": {}, "items": null}')["items"] is None
