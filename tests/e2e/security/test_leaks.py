"""Where secrets are not: what a notebook server has in its environment, and the keys of a kernel."""

import base64
import json
import logging
import os
import secrets
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from jupyter_client.manager import AsyncKernelManager

from fixtures.kernel_managers import START_SECONDS, connected, run, until_ended
from fixtures.kubectl import Kubectl, Object
from fixtures.operator_process import OperatorProcess
from kubernel_api.constants import POD_SECRET_TYPE, SECRET_CURVE_SECRETKEY, SECRET_KEY, SECRET_TOKEN, SECRET_TYPE

VALUES = "values of Secrets"
KINDS = "kernelinstances,pods,services,endpointslices,events,leases,configmaps,serviceaccounts"


@dataclass(frozen=True)
class Found:
    """Everything that could hold a secret, by where it is."""

    places: dict[str, str]

    def places_of(self, secret: str) -> list[str]:
        """Where a secret is, as it is or in base64."""
        forms = (secret, base64.b64encode(secret.encode()).decode().rstrip("="))
        return [place for place, text in self.places.items() if any(form in text for form in forms)]


def collect(here: Kubectl, operator: OperatorProcess, logged: str) -> Found:
    """Looks everywhere."""
    (pod,) = here.items("pods", "--selector=app.kubernetes.io/managed-by=kubernel")
    name = pod["metadata"]["name"]
    sources = here.items("secrets")
    values = [value for each in sources for value in each["data"].values()]
    metrics = next(word.partition("=")[2] for word in operator.command if word.startswith("--metrics-port="))
    with urllib.request.urlopen(f"http://127.0.0.1:{metrics}/metrics") as answer:
        measured = answer.read().decode()
    places = {
        "objects": here("get", KINDS, "--output=json").stdout,
        "secrets": json.dumps([{**each, "data": sorted(each["data"])} for each in sources]),
        VALUES: json.dumps([base64.b64decode(value).decode(errors="replace") for value in values]),
        "operator's log": operator.log.read_text(),
        "operator's metrics": measured,
        "operator's command line": " ".join(operator.command),
        "pod's log": here("logs", name).stdout,
        "command lines in the pod": here("exec", name, "--", "sh", "-c", "cat /proc/[0-9]*/cmdline").stdout,
        "provisioner's log": logged,
    }
    assert all(places.values()), [place for place, text in places.items() if not text]
    return Found(places)


def keys_of(here: Kubectl) -> dict[str, str]:
    """The secrets of the one kernel and of the operator, in clear."""
    kept: dict[str, Object] = {each["type"]: each["data"] for each in here.items("secrets")}
    kernels = kept.pop(SECRET_TYPE) | kept.pop(POD_SECRET_TYPE)
    names = (SECRET_KEY, SECRET_TOKEN, SECRET_CURVE_SECRETKEY)
    found = {name: base64.b64decode(kernels[name]).decode() for name in names}
    ((own,),) = [list(data.values()) for data in kept.values()]
    return found | {"the operator's own": base64.b64decode(own).hex()}


async def test_nothing_leaks(
    operator_process: Callable[..., OperatorProcess],
    operator_namespace: str,
    kubectl: Kubectl,
    install_kernelspec: Callable[..., str],
    manager_of: Callable[..., AsyncKernelManager],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    marker = f"marker-{secrets.token_hex(16)}"
    monkeypatch.setenv("SERVER_PASSWORD", marker)
    here = kubectl.within(operator_namespace)
    operator = operator_process(operator_namespace)
    with caplog.at_level(logging.DEBUG):
        manager = manager_of(install_kernelspec(operator_namespace), transport_encryption="required")
        await manager.start_kernel(env=dict(os.environ))
        async with connected(manager) as client:
            await run(client, "1 / 0")
            await manager.restart_kernel()
            await client.wait_for_ready(timeout=START_SECONDS)
            assert await run(client, f"import os; print('{marker}' in str(os.environ))") == "False\n"
            client.execute("import os; os._exit(3)")
            await until_ended(manager)
            await manager.restart_kernel(now=True)
        found = collect(here, operator, caplog.text)
    secrets_by_name = {"the server's variable": marker, **keys_of(here)}
    assert len(set(secrets_by_name.values())) == 5
    places = {name: found.places_of(secret) for name, secret in secrets_by_name.items()}
    assert places.pop("the server's variable") == []
    assert places.pop("the operator's own") == []  # it is bytes
    assert places == {key: [VALUES] for key in places}
    assert "objects" in found.places_of("KUBERNEL_KEY")  # what is searched is found where it is
