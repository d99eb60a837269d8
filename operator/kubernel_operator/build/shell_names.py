"""Variables of the kernel's container whose names the shell that starts the supervisor would drop. Pure."""

from __future__ import annotations

import re
from typing import Any

from kubernel_api.constants import KERNEL_CONTAINER

#: What every shell passes on; dash and busybox drop other names, such as spark.driver.memory.
NAME_OF_SHELLS = re.compile("[A-Za-z_][A-Za-z0-9_]*")


def pack_variables(pod: dict[str, Any]) -> None:
    """Lets them travel as ``KUBERNEL_ENV_0=NAME=VALUE`` ..., whoever has set them; the supervisor unpacks them.

    Of one whose value comes from elsewhere (``valueFrom``) it is not known here, and Kubernetes puts it in. What a
    template makes of containers may be any nonsense, which is for the API server to refuse.
    """
    containers = pod["spec"].get("containers")
    for container in containers if isinstance(containers, list) else []:
        is_kernel = isinstance(container, dict) and container.get("name") == KERNEL_CONTAINER
        if is_kernel and isinstance(container.get("env"), list):
            container["env"] = _packed(container["env"])


def _packed(env: list[Any]) -> list[Any]:
    plain: list[Any] = []
    packed: list[Any] = []
    for variable in env:
        name = variable.get("name") if isinstance(variable, dict) else None
        if not isinstance(name, str) or NAME_OF_SHELLS.fullmatch(name):
            plain.append(variable)
            continue
        value = variable.get("value", "")
        if "valueFrom" in variable:
            plain.append(variable)
            value = f"$({name})"
        packed.append({"name": f"KUBERNEL_ENV_{len(packed)}", "value": f"{name}={value}"})
    return [*plain, *packed]
