"""What may stand in a status: no keys, and not too much."""

import pytest

from kubernel_operator.decide.texts import MESSAGE_MAX_BYTES, for_people, masked, with_output

KEY = "0123456789abcdef" * 4
CURVE = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"  # of ZeroMQ's own RFC
DIGEST = f"registry.example.org/kernel@sha256:{KEY}"


@pytest.mark.parametrize(
    ("text", "result"),
    [
        pytest.param(f"key={KEY}", "key=[secret]", id="key"),
        pytest.param(f'{{"key": "{KEY.upper()}"}}', '{"key": "[secret]"}', id="in JSON"),
        pytest.param(f"curve_secretkey={CURVE} x", "curve_secretkey=[secret] x", id="CurveZMQ"),
        pytest.param(f"'{CURVE}'", "'[secret]'", id="CurveZMQ, quoted"),
        pytest.param(DIGEST, DIGEST, id="an image's digest"),
        pytest.param("a" * 63, "a" * 63, id="63 digits"),
        pytest.param("a" * 65, "a" * 65, id="65 digits"),
        pytest.param(
            "da39a3ee5e6b4b0d3255bfef95601890afd80709", "da39a3ee5e6b4b0d3255bfef95601890afd80709", id="SHA-1"
        ),
        pytest.param("/opt/conda/lib/python3.11/site-packages/", "/opt/conda/lib/python3.11/site-packages/", id="path"),
    ],
)
def test_masked(text: str, result: str) -> None:
    assert masked(text) == result


def test_a_sentence_is_cut_by_bytes() -> None:
    told = for_people("ä" * 30_000)
    assert len(told.encode()) <= MESSAGE_MAX_BYTES
    assert told.endswith("ä…")
    assert for_people("short") == "short"
    assert for_people("\ud800") == "\ud800"


def test_of_output_the_end_is_kept() -> None:
    told = with_output("It ended.", "first\n" + "é" * 3000 + f"\nkey={KEY}\nlast")
    assert told.startswith("It ended. Its last output:\n")
    assert told.endswith("\nkey=[secret]\nlast")
    assert len(told.encode()) <= MESSAGE_MAX_BYTES
    assert for_people(told) == told
    assert with_output("It ended.", " \n") == "It ended."
