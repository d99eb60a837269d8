"""The command line and the environment of the operator."""

from dataclasses import fields
from typing import Any

import pytest

from kubernel_operator.settings import Settings, SettingsError, load_settings


def test_defaults() -> None:
    assert load_settings([], {}) == Settings()


@pytest.mark.parametrize(
    ("option", "text", "field", "value"),
    [
        pytest.param("watch-namespaces", "a, b,,c ", "watch_namespaces", ("a", "b", "c"), id="list"),
        pytest.param("watch-namespaces", "", "watch_namespaces", (), id="empty list"),
        pytest.param("default-image", "example.org/k:1", "default_image", "example.org/k:1", id="text"),
        pytest.param("workers", "3", "workers", 3, id="number"),
        pytest.param("node-selector", '{"a": "b"}', "node_selector", {"a": "b"}, id="JSON object"),
        pytest.param("tolerations", '[{"key": "a"}]', "tolerations", [{"key": "a"}], id="JSON list"),
        pytest.param("pod-security-context", "", "pod_security_context", {}, id="empty JSON"),
    ],
)
def test_one_option(option: str, text: str, field: str, value: Any) -> None:
    expected = Settings(**{field: value})
    assert load_settings([f"--{option}={text}"], {}) == expected
    assert load_settings([], {f"KUBERNEL_OPERATOR_{field.upper()}": text}) == expected


def test_the_command_line_wins() -> None:
    environ = {"KUBERNEL_OPERATOR_WORKERS": "3", "KUBERNEL_OPERATOR_LOG_FORMAT": "json"}
    assert load_settings(["--workers=5"], environ) == Settings(workers=5, log_format="json")


def test_an_empty_variable_counts() -> None:
    environ = {"KUBERNEL_OPERATOR_POD_SECURITY_CONTEXT": ""}
    assert load_settings([], environ) == Settings(pod_security_context={})


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        pytest.param("--workers=many", "--workers: 'many' is not valid", id="no number"),
        pytest.param("--workers=0", "--workers must be at least 1", id="no workers"),
        pytest.param("--node-selector=a=b", "--node-selector: 'a=b' is not valid", id="no JSON"),
        pytest.param("--node-selector=[]", r"--node-selector must be a JSON dict, not '\[\]'", id="another JSON"),
        pytest.param("--tolerations={}", "--tolerations must be a JSON list, not '{}'", id="no list"),
        pytest.param(
            "--callback-url=https://op:8443/v1/callback",
            "--callback-url must look like http://HOST:8443/v1/callback",
            id="callbacks with TLS",
        ),
        pytest.param("--callback-url=op:8443", "--callback-url must look like", id="callback URL without a scheme"),
        pytest.param(
            "--callback-url=http://op:8443", "--callback-url must look like", id="callback URL without a path"
        ),
        pytest.param(
            "--callback-url=http://op:x/cb", "--callback-url must look like", id="callback URL, port no number"
        ),
        pytest.param("--log-format=xml", "--log-format must be one of plain, json", id="log format"),
        pytest.param("--log-level=LOUD", "--log-level must be one of DEBUG, INFO, WARNING, ERROR", id="log level"),
        pytest.param(
            "--image-pull-policy=Often",
            "--image-pull-policy must be one of Always, IfNotPresent, Never",
            id="pull policy",
        ),
        pytest.param(
            "--max-orphan-seconds=-1", "--max-orphan-seconds must be at least 0", id="orphans before their birth"
        ),
        pytest.param("--max-starting=-1", "--max-starting must be Auto or a number, 0 or more", id="fewer than none"),
        pytest.param(
            "--max-starting=auto", "--max-starting must be Auto or a number, 0 or more", id="in small letters"
        ),
        pytest.param(
            "--sweep-interval-seconds=0", "--sweep-interval-seconds must be at least 1", id="sweeps without a pause"
        ),
    ],
)
def test_wrong(argument: str, message: str) -> None:
    with pytest.raises(SettingsError, match=f"^{message}"):
        load_settings([argument], {})


def test_defaults_are_not_shared() -> None:
    first, second = Settings(), Settings()
    for field in fields(Settings):
        if isinstance(getattr(first, field.name), dict):
            assert getattr(first, field.name) is not getattr(second, field.name), field.name


def test_every_option_has_help() -> None:
    assert [f.name for f in fields(Settings) if not f.metadata["help"]] == []
