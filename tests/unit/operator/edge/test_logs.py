"""Logs for people and for machines."""

import json
import logging
import sys

from kubernel_operator.edge.logs import JsonFormatter


def record(message: str, *args: object, **fields: object) -> logging.LogRecord:
    made = logging.LogRecord("kubernel_operator.act.apply", logging.INFO, "apply.py", 1, message, args, None)
    made.created = 1_800_000_000.25
    made.__dict__.update(fields)
    return made


def test_json() -> None:
    line = JsonFormatter().format(record("%s: start", "k1", namespace="ns", kernel_instance="k1", other="x"))
    assert json.loads(line) == {
        "ts": "2027-01-15T08:00:00.250000+00:00",
        "level": "info",
        "logger": "kubernel_operator.act.apply",
        "msg": "k1: start",
        "namespace": "ns",
        "kernel_instance": "k1",
    }


def test_json_with_an_exception() -> None:
    made = record("failed")
    try:
        raise ValueError("boom")
    except ValueError:
        made.exc_info = sys.exc_info()
    line = JsonFormatter().format(made)
    assert "\n" not in line
    assert json.loads(line)["exception"].endswith("ValueError: boom")
