"""The page of fields, and the page of reasons that stands beside it."""

import re
from pathlib import Path

import pytest

from kubernel_api.conditions import STALLING, Reason
from kubernel_api.reference import Row, reference_text, rows

REASONS_PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "reasons.md").read_text()
REASON_ROWS = re.findall(r"^\| `(\w+)` \| (.+) \| (.*) \| (.+) \|$", REASONS_PAGE, flags=re.MULTILINE)


def test_rows_name_items_and_what_may_stand_there() -> None:
    schema = {
        "required": ["list"],
        "properties": {
            "list": {
                "description": "A list.",
                "type": "array",
                "maxItems": 3,
                "items": {
                    "type": "object",
                    "properties": {
                        "size": {"description": "A size.", "x-kubernetes-int-or-string": True},
                        "word": {"description": "A word.", "type": "string", "enum": ["", "b"], "default": "b"},
                    },
                },
            },
            "map": {
                "description": "A map.",
                "type": "object",
                "additionalProperties": {"type": "string"},
                "default": {},
            },
            "number": {"description": "A number.", "type": "integer", "minimum": 1, "maximum": 5},
            "time": {"description": "A time.", "type": "string", "format": "date-time", "minLength": 1},
        },
    }
    assert list(rows(schema, "spec")) == [
        Row("spec.list", "list of objects, at most 3 items", "required", "A list."),
        Row("spec.list[].size", "amount", "", "A size."),
        Row("spec.list[].word", "one of empty, `b`", '`"b"`', "A word."),
        Row("spec.map", "map of strings", "`{}`", "A map."),
        Row("spec.number", "integer, 1 to 5", "", "A number."),
        Row("spec.time", "date-time, at least 1 characters", "", "A time."),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "| `spec.lifecycle.startDeadlineSeconds` | integer, 1 to 86400 | `300` "
        "| A kernel that is not Ready by then has failed: StartTimeout. |",
        "| `status.connection.ports.shell` | integer, 1 to 65535 | required | Execution requests. |",
        "- `spec.tolerations[].effect`: tolerationSeconds needs effect NoExecute",
        "- `spec.resources.limits.*`: must be an amount such as 2, 500m or 1.5Gi, and not negative",
    ],
)
def test_the_page_has(line: str) -> None:
    assert line in reference_text().splitlines()


def test_every_row_of_a_table_has_four_cells() -> None:
    table = [line for line in reference_text().splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in table} == {5}


def test_every_reason_is_documented_once_in_the_order_of_the_enum() -> None:
    assert [reason for reason, *_ in REASON_ROWS] == [str(reason) for reason in Reason]


def test_exactly_the_stalling_reasons_are_said_not_to_heal() -> None:
    assert {reason for reason, _, heals, _ in REASON_ROWS if heals == "no"} == {str(reason) for reason in STALLING}
