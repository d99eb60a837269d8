"""The provisioner's options: traits with a default from the environment variable ``KUBERNEL_<TRAIT>``.

A value comes from the kernelspec's ``metadata.kernel_provisioner.config``, else from the server's configuration
(``c.KubernetesProvisioner.image = ...``), else from the environment, else it is unset and the operator's default holds.
"""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Iterable
from typing import Any

from jupyter_client.provisioning.provisioner_base import KernelProvisionerBase
from traitlets import Dict, Enum, Int, List, TraitError, TraitType, Unicode

from .errors import ConfigurationError

ENVIRONMENT_PREFIX = "KUBERNEL_"
# Options whose values are in no error: people put passwords there, although it is no place for them.
SECRETIVE = frozenset({"env"})


class _FromEnvironment(TraitType[Any, Any]):
    """A trait whose default is parsed from its environment variable; an empty variable counts as unset."""

    def default(self, obj: Any = None) -> Any:
        variable = ENVIRONMENT_PREFIX + str(self.name).upper()
        text = os.environ.get(variable, "")
        if not text:
            return super().default(obj)
        try:
            return self._validate(obj, self.parse(text))
        except (ValueError, TraitError) as error:
            shown = "" if self.name in SECRETIVE else f"It is {text!r}."
            raise ConfigurationError(f"The environment variable {variable} is wrong: {error}", shown) from error

    def parse(self, text: str) -> Any:
        """The value that ``text`` stands for; ValueError when it stands for none."""
        return text


class Text(_FromEnvironment, Unicode[Any, Any]):
    """A string."""


class Choice(_FromEnvironment, Enum[Any]):
    """One of a few words."""


class Seconds(_FromEnvironment, Int[Any, Any]):
    """A whole number of seconds."""

    def parse(self, text: str) -> int:
        """Digits."""
        return int(text)


class Quantity(_FromEnvironment, Unicode[Any, Any]):
    """A Kubernetes quantity; 1, 0.5 and "500m" are all fine."""

    def validate(self, obj: Any, value: Any) -> Any:
        """Numbers are taken as they are written."""
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return super().validate(obj, str(value) if is_number else value)


class Items(_FromEnvironment, List[Any]):
    """A list; in the environment JSON, or words separated by commas."""

    def parse(self, text: str) -> list[Any]:
        """JSON, or words separated by commas."""
        if text.lstrip().startswith("["):
            return list(json.loads(text))
        return [word.strip() for word in text.split(",") if word.strip()]


class Table(_FromEnvironment, Dict):
    """A mapping; in the environment JSON, or name=value pairs separated by commas."""

    def parse(self, text: str) -> dict[str, Any]:
        """JSON, or pairs separated by commas."""
        if text.lstrip().startswith("{"):
            return dict(json.loads(text))
        return parse_pairs(pair.strip() for pair in text.split(",") if pair.strip())

    def error(self, obj: Any, value: Any, error: Exception | None = None, info: str | None = None) -> Any:
        """Called by traitlets, whose own words quote the value."""
        if self.name in SECRETIVE:
            raise TraitError(f"The option {self.name} is a {type(value).__name__}; it takes a mapping, NAME: VALUE.")
        super().error(obj, value, error, info)


def parse_pairs(pairs: Iterable[str]) -> dict[str, str]:
    """``["A=1", "B=x=y"]`` as ``{"A": "1", "B": "x=y"}``.

    Raises:
        ValueError: a pair has no name or no "=".
    """
    result: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:  # the rest of a value with a comma in it, perhaps, which may be a password
            shown = f"what follows {list(result)[-1]}" if result else repr(pair)
            raise ValueError(f"{shown} is not of the form NAME=VALUE")
        result[name] = value
    return result


class ProvisionerOptions(KernelProvisionerBase):
    """Every option of the provisioner, and a clear error for one that does not exist."""

    def __init__(self, **kwargs: Any) -> None:
        # traitlets would only warn, and drop what it does not know.
        self._refuse_unknown(kwargs)
        super().__init__(**kwargs)

    # What runs.
    image = Text(None, allow_none=True, help="Container image. Default: the operator's default image.").tag(config=True)
    image_pull_policy = Choice(
        ["Always", "IfNotPresent", "Never"], None, allow_none=True, help="When the image is pulled."
    ).tag(config=True)
    image_pull_secrets = Items(Unicode(), help="Names of Secrets with registry credentials.").tag(config=True)
    argv = Items(
        Unicode(),
        help="Kernel command in the pod; {connection_file} is filled in there. Default: the kernelspec's argv.",
    ).tag(config=True)
    kernel_name = Text(
        None, allow_none=True, help="Start the kernelspec of that name inside the image, instead of an argv."
    ).tag(config=True)
    language = Text(None, allow_none=True, help="The kernel's language, for display.").tag(config=True)
    fork = Choice(
        ["Auto", "Never"],
        None,
        allow_none=True,
        help="Auto: a restart of an ipykernel forks a process that has imported it already, which costs about 40 MB; "
        "Never: it starts a new one. Default: the operator's.",
    ).tag(config=True)
    preload = Items(
        Unicode(), help="Modules that a forked kernel has imported already: pandas, matplotlib.pyplot."
    ).tag(config=True)
    env = Table(help="Environment of the kernel, in addition to the kernelspec's.").tag(config=True)
    env_allow = Items(Unicode(), help="Names of variables that the server passes on to the kernel.").tag(config=True)
    working_dir = Text(
        None,
        allow_none=True,
        help="Working directory in the pod. Default: the notebook's folder where path_map knows it, else the image's.",
    ).tag(config=True)
    path_map = Table(
        value_trait=Unicode(), help="Folders of the server and where the pod has them: {'/home/me/notebooks': '/data'}."
    ).tag(config=True)

    template_name = Text(
        None, allow_none=True, help="KernelTemplate that the pod is made from; `kubernel templates` lists them."
    ).tag(config=True)

    # Where and with what it runs.
    namespace = Text(
        None, allow_none=True, help="Namespace. Default: the kubeconfig context's, or the server pod's own, or default."
    ).tag(config=True)
    resources = Table(help="Kubernetes resources: {'requests': {...}, 'limits': {...}}.").tag(config=True)
    cpu = Quantity(None, allow_none=True, help="CPU that is requested, and the limit: 500m, 2.").tag(config=True)
    cpu_request = Quantity(
        None, allow_none=True, help="CPU that is requested, if it is less than the limit: 250m."
    ).tag(config=True)
    memory = Quantity(None, allow_none=True, help="Memory that is requested, and the limit: 2Gi.").tag(config=True)
    memory_request = Quantity(
        None, allow_none=True, help="Memory that is requested, if it is less than the limit: 1Gi."
    ).tag(config=True)
    startup_cpu = Quantity(
        None,
        allow_none=True,
        help="CPU limit for the time of the start, where the kernel's own is lower: 1. Default: the operator's.",
    ).tag(config=True)
    memory_max = Quantity(
        None,
        allow_none=True,
        help="How far the memory limit may grow by itself while the kernel lives: 8Gi. Default: the operator's.",
    ).tag(config=True)
    memory_when_full = Choice(
        ["Interrupt", "Continue"],
        None,
        allow_none=True,
        help="What becomes of a kernel that gets no more memory within 30 s: it is interrupted, or goes on and may be "
        "killed. Default: Interrupt.",
    ).tag(config=True)
    gpu = Quantity(None, allow_none=True, help="Number of nvidia.com/gpu.").tag(config=True)
    node_selector = Table(value_trait=Unicode(), help="Labels that the node must have.").tag(config=True)
    tolerations = Items(Dict(), help="Taints that the pod tolerates, as in a pod.").tag(config=True)
    runtime_class_name = Text(None, allow_none=True, help="RuntimeClass of the pod, e.g. gvisor.").tag(config=True)
    priority_class_name = Text(None, allow_none=True, help="PriorityClass of the pod.").tag(config=True)
    volumes = Items(
        Dict(), help="Volumes, as in KernelInstance.spec.volumes (kubectl explain kernel.spec.volumes)."
    ).tag(config=True)

    # How long it may live.
    start_deadline_seconds = Seconds(300, min=1, help="A kernel that is not ready by then has failed.").tag(config=True)
    idle_timeout_seconds = Seconds(
        None,
        allow_none=True,
        min=1,
        help="End the kernel after this many seconds without clients and CPU use. Default: never.",
    ).tag(config=True)
    active_deadline_seconds = Seconds(
        None, allow_none=True, min=1, help="End the kernel this many seconds after its start. Default: never."
    ).tag(config=True)
    ttl_seconds_after_finished = Seconds(
        None, allow_none=True, min=0, help="How long a finished KernelInstance is kept. Default: 300."
    ).tag(config=True)
    orphan_after_seconds = Seconds(
        None,
        allow_none=True,
        min=5,
        help="Delete the kernel when this process has not been heard of for this many seconds: it was killed, sleeps, "
        "or has no network. The operator may allow less. Default: 900 in a pod, 86400 (a day) elsewhere.",
    ).tag(config=True)

    owner = Text(
        None,
        allow_none=True,
        help="Whose kernels these are: a server that starts takes up the living kernels of its owner, so give no two "
        "servers the same. Default: JUPYTERHUB_USER/JUPYTERHUB_SERVER_NAME in a hub's server, else none.",
    ).tag(config=True)

    # How it is reached.
    service = Choice(
        ["ClusterIP", "None", "Headless"],
        "ClusterIP",
        help="ClusterIP keeps the address when the pod is replaced; None hands out the pod's own, which is faster; "
        "Headless a DNS name, for many kernels in one namespace.",
    ).tag(config=True)
    key_from = Choice(
        ["Client", "Operator"],
        "Client",
        help="Who makes the key of the connection. Client: this process, which then needs no right to read Secrets; "
        "Operator: the operator, and this process reads it.",
    ).tag(config=True)
    encryption = Choice(
        ["Auto", "Curve", "Disabled"],
        "Auto",
        help="Curve: all channels are encrypted (ipykernel 7.3 or newer, jupyter_client 8.9 or newer); Auto: where "
        "both can; Disabled: never. The manager's transport_encryption = 'required' means Curve.",
    ).tag(config=True)
    access = Choice(
        ["auto", "direct", "port-forward"],
        "auto",
        help="direct: the cluster's addresses; port-forward: through the API server; auto: what answers.",
    ).tag(config=True)
    kubeconfig = Text(
        None,
        allow_none=True,
        help="Path of a kubeconfig; in-cluster: the pod's own account. Default: as kubectl finds it, or that account.",
    ).tag(config=True)
    context = Text(None, allow_none=True, help="Context in the kubeconfig. Default: its current one.").tag(config=True)
    operator_timeout = Seconds(
        15, min=1, help="Seconds after which a start fails when no operator has looked at it."
    ).tag(config=True)

    def _refuse_unknown(self, given: dict[str, Any]) -> None:
        known = set(self.traits()) | {"config"}
        unknown = sorted(set(given) - known)
        if not unknown:
            return
        options = sorted(self.traits(config=True))
        close = difflib.get_close_matches(unknown[0], options, n=1)
        raise ConfigurationError(
            f"The kernel_provisioner config has unknown options: {', '.join(unknown)}.",
            f"Did you mean {close[0]}?" if close else f"There are: {', '.join(options)}.",
        )
