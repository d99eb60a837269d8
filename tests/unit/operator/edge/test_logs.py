"""Logs for people and for machines."""

import json
import logging
import sys

import pytest

from kubernel_operator.edge.logs import JsonFormatter, configure_logging
from kubernel_operator.settings import Settings


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


@pytest.mark.parametrize(
    ("name", "level", "message", "is_said"),
    [
        ("kopf._core.reactor.running", "warning", "OS signals are ignored: running not in the main thread.", False),
        ("kopf._core.reactor.running", "warning", "Something else.", True),
        ("kopf._core.reactor.observation", "warning", "Unresolved resources cannot be served (try ...)", False),
        ("kopf._core.reactor.observation", "warning", "Something else.", True),
        ("kubernetes.aio.config.kube_config", "debug", "kubeconfig loader", False),
        ("kubernetes.aio.config.kube_config", "error", "exec: no such program", True),
        ("kubernel_operator.act.apply", "debug", "read the pod's Events", True),
    ],
)
def test_libraries_say_what_means_something(
    capsys: pytest.CaptureFixture[str], name: str, level: str, message: str, is_said: bool
) -> None:
    root = logging.getLogger()
    handlers, before = root.handlers[:], root.level
    try:
        configure_logging(Settings(default_image="i", log_level="DEBUG"))
        getattr(logging.getLogger(name), level)(message)
    finally:
        root.handlers[:] = handlers
        root.setLevel(before)
    assert (message in capsys.readouterr().err) is is_said


def test_json_with_an_exception() -> None:
    made = record("failed")
    try:
        raise ValueError("boom")
    except ValueError:
        made.exc_info = sys.exc_info()
    line = JsonFormatter().format(made)
    assert "\n" not in line
    assert json.loads(line)["exception"].endswith("ValueError: boom")
