"""The protocols to the byte: the client's side of the golden transcripts. See docs/protocols.md."""

import json
from pathlib import Path
from typing import Any

import pytest

from kubernel_wire.callback import kernel_state, proof, token, verified
from kubernel_wire.control import ControlError, Exchange, sealed, unsealed

GOLDEN = Path(__file__).parents[2] / "golden"
CONTROL: dict[str, Any] = json.loads((GOLDEN / "control-v2.json").read_text())
CALLBACK: dict[str, Any] = json.loads((GOLDEN / "callback-v2.json").read_text())
KEYS = {"connection": CONTROL["connectionKey"].encode(), "operator": CONTROL["token"].encode()}


def exchange_of(golden: dict[str, Any]) -> Exchange:
    role = golden["role"]
    return Exchange(KEYS[role], role, CONTROL["nonce"], golden["request"], CONTROL["clientNonce"])


@pytest.mark.parametrize("golden", [pytest.param(e, id=e["name"]) for e in CONTROL["exchanges"]])
def test_requests_and_answers(golden: dict[str, Any]) -> None:
    exchange = exchange_of(golden)
    assert exchange.line().decode() == golden["requestLine"]
    line = golden["answerLine"].encode()
    if golden["answer"]["ok"]:
        assert exchange.answer(line) == golden["answer"]
    else:
        with pytest.raises(ControlError) as caught:
            exchange.answer(line)
        assert str(caught.value) == golden["answer"]["error"]


def test_what_a_member_is_told() -> None:
    golden = CONTROL["sealed"]
    assert sealed(CONTROL["token"].encode(), golden["text"], bytes.fromhex(golden["salt"])) == golden["sealed"]


def test_what_was_printed_last() -> None:
    golden = CONTROL["sealedOutput"]
    assert unsealed(CONTROL["connectionKey"].encode(), golden["sealed"]) == golden["text"]


def test_what_a_stranger_is_told() -> None:
    with pytest.raises(ControlError, match=r"^authentication failed$"):
        exchange_of(CONTROL["exchanges"][0]).answer(CONTROL["strangerLine"].encode())


def test_what_a_status_says() -> None:
    (answer,) = (e["answer"] for e in CONTROL["exchanges"] if e["name"] == "the status")
    known = kernel_state(answer).model_dump(by_alias=True, exclude_unset=True)
    assert known == {name: value for name, value in answer.items() if name not in {"ok", "pid"}}


def test_the_token() -> None:
    secret = CALLBACK["envelope"]["secret"]
    assert token(CALLBACK["operatorSecret"].encode(), secret) == CALLBACK["token"]


@pytest.mark.parametrize("golden", [pytest.param(r, id=r["name"]) for r in CALLBACK["reports"]])
def test_reports(golden: dict[str, Any]) -> None:
    callback = verified(golden["body"].encode(), golden["signature"], CALLBACK["operatorSecret"].encode())
    assert callback is not None
    sent = json.loads(golden["body"])
    assert callback.model_dump(mode="json", by_alias=True, exclude_unset=True) == {
        name: value for name, value in sent.items() if name != "version"
    }
    assert proof(CALLBACK["token"], golden["signature"]) == golden["proof"]
