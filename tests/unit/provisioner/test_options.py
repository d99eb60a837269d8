"""Options: where their values come from, and what is refused."""

from typing import Any

import pytest
from traitlets import TraitError
from traitlets.config import Config

from kubernel_provisioner import KubernetesProvisioner
from kubernel_provisioner import provisioner as provisioner_module
from kubernel_provisioner.errors import ConfigurationError
from kubernel_provisioner.options import parse_pairs


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for option in KubernetesProvisioner.class_traits(config=True):
        monkeypatch.delenv(f"KUBERNEL_{option.upper()}", raising=False)


@pytest.mark.parametrize(
    ("option", "text", "expected"),
    [
        pytest.param("image", "r:1", "r:1", id="text"),
        pytest.param("image", "", None, id="an empty variable is unset"),
        pytest.param("start_deadline_seconds", "20", 20, id="seconds"),
        pytest.param("cpu", "500m", "500m", id="quantity"),
        pytest.param("service", "None", "None", id="choice"),
        pytest.param("env_allow", "A, B,,C", ["A", "B", "C"], id="words"),
        pytest.param("argv", '["R", "-e", "a,b"]', ["R", "-e", "a,b"], id="list as JSON"),
        pytest.param("env", "A=1,B=x=y", {"A": "1", "B": "x=y"}, id="pairs"),
        pytest.param("resources", '{"limits": {"cpu": "1"}}', {"limits": {"cpu": "1"}}, id="mapping as JSON"),
        pytest.param("tolerations", '[{"key": "gpu"}]', [{"key": "gpu"}], id="list of mappings"),
    ],
)
def test_from_the_environment(monkeypatch: pytest.MonkeyPatch, option: str, text: str, expected: Any) -> None:
    monkeypatch.setenv(f"KUBERNEL_{option.upper()}", text)
    assert getattr(KubernetesProvisioner(), option) == expected


@pytest.mark.parametrize(
    ("option", "text", "message"),
    [
        pytest.param("start_deadline_seconds", "soon", "KUBERNEL_START_DEADLINE_SECONDS is wrong", id="not a number"),
        pytest.param("env", "A", "KUBERNEL_ENV is wrong: 'A' is not of the form NAME=VALUE", id="not a pair"),
        pytest.param("resources", "{", "KUBERNEL_RESOURCES is wrong", id="no JSON"),
    ],
)
def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch, option: str, text: str, message: str) -> None:
    monkeypatch.setenv(f"KUBERNEL_{option.upper()}", text)
    with pytest.raises(ConfigurationError, match=message):
        getattr(KubernetesProvisioner(), option)


def test_the_kernelspec_wins_over_the_servers_config_and_that_over_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KUBERNEL_IMAGE", "variable:1")
    monkeypatch.setenv("KUBERNEL_NAMESPACE", "variable")
    monkeypatch.setenv("KUBERNEL_CONTEXT", "variable")
    config = Config({"KubernetesProvisioner": {"image": "server:1", "namespace": "server"}})
    provisioner = KubernetesProvisioner(config=config, image="spec:1")
    assert (provisioner.image, provisioner.namespace, provisioner.context) == ("spec:1", "server", "variable")


def test_numbers_are_quantities() -> None:
    provisioner = KubernetesProvisioner(cpu=0.5, memory="1Gi", gpu=1)
    assert (provisioner.cpu, provisioner.memory, provisioner.gpu) == ("0.5", "1Gi", "1")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        pytest.param({"imge": "x"}, "unknown options: imge.\nDid you mean image?", id="misspelt"),
        pytest.param({"zzz": 1, "qqq": 1}, "unknown options: qqq, zzz.\nThere are: access, ", id="nothing like it"),
    ],
)
def test_an_unknown_option_is_refused_by_name(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        KubernetesProvisioner(**given)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "given",
    [
        {"service": "NodePort"},
        {"start_deadline_seconds": 0},
        {"cpu": True},
        {"env": ["A"]},
        {"argv": 1},
        {"path_map": {"/notebooks": None}},
        {"node_selector": {"gpu": True}},
    ],
)
def test_a_wrong_value_is_refused_by_name(given: dict[str, Any]) -> None:
    with pytest.raises(TraitError, match=next(iter(given))):
        KubernetesProvisioner(**given)


def test_every_option_has_a_sentence() -> None:
    traits = KubernetesProvisioner.class_own_traits(config=True) or KubernetesProvisioner.class_traits(config=True)
    assert [name for name, trait in traits.items() if not trait.help.endswith(".")] == []


@pytest.mark.parametrize("pair", ["A", "=1", ""])
def test_parse_pairs_refuses(pair: str) -> None:
    with pytest.raises(ValueError, match="NAME=VALUE"):
        parse_pairs([pair])


@pytest.mark.parametrize(
    ("in_a_pod", "option", "expected"),
    [
        pytest.param(True, None, 900, id="a pod"),
        pytest.param(False, None, 86_400, id="a laptop"),
        pytest.param(True, 20, 20, id="as asked for"),
        pytest.param(False, 20, 20, id="as asked for on a laptop"),
    ],
)
def test_how_long_a_process_may_be_away(
    monkeypatch: pytest.MonkeyPatch, in_a_pod: bool, option: int | None, expected: int
) -> None:
    monkeypatch.setattr(provisioner_module, "in_cluster", lambda: in_a_pod)
    provisioner = KubernetesProvisioner(orphan_after_seconds=option)
    assert provisioner._launch_request([], {}).orphan_after == expected


@pytest.mark.parametrize(
    ("option", "text"), [("service", "clusterip"), ("access", "portforward"), ("start_deadline_seconds", "0")]
)
def test_a_wrong_variable_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, option: str, text: str) -> None:
    monkeypatch.setenv(f"KUBERNEL_{option.upper()}", text)
    with pytest.raises(ConfigurationError, match=f"KUBERNEL_{option.upper()} is wrong"):
        getattr(KubernetesProvisioner(), option)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('{"PASSWORD": "s3cret"', "KUBERNEL_ENV is wrong: Expecting ',' delimiter"),
        ("PASSWORD=a,s3cret", r"KUBERNEL_ENV is wrong: what follows PASSWORD is not of the form\sNAME=VALUE"),
    ],
)
def test_a_wrong_environment_is_not_shown(monkeypatch: pytest.MonkeyPatch, text: str, error: str) -> None:
    monkeypatch.setenv("KUBERNEL_ENV", text)
    with pytest.raises(ConfigurationError, match=error) as caught:
        _ = KubernetesProvisioner().env
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("env", [["PASSWORD=s3cret"], "PASSWORD=s3cret"])
def test_nor_is_that_of_a_kernelspec(env: Any) -> None:
    with pytest.raises(TraitError, match=r"The option env is a (list|str); it takes a mapping") as caught:
        KubernetesProvisioner(env=env)
    assert "s3cret" not in str(caught.value)
