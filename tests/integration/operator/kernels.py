"""KernelInstances in one namespace, and kernels that start fast and do what they are told."""

from __future__ import annotations

import contextlib
import json
import secrets
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from fixtures.api_client import ApiClient, ApiServerError, Json
from kubernel_api.conditions import ConditionType, is_true
from kubernel_api.constants import LABEL_INSTANCE, PORTS, SECRET_TYPE

T = TypeVar("T")
POLL_SECONDS = 0.05
DEADLINE_SECONDS = 60.0

#: Listens on the five ports like a kernel and runs each line that it gets on the shell port, but for the first bytes of
#: ZMQ's protocol: its supervisor asks how it encrypts. Boots in 20 ms.
FAKE_KERNEL = """
import json, os, select, socket, sys
info = json.load(open(sys.argv[1]))
names = ("shell", "iopub", "stdin", "control", "hb")
ports = [socket.create_server(("", info[name + "_port"])) for name in names]
while True:
    for port in select.select(ports, [], [])[0]:
        connection = port.accept()[0]
        if port is ports[0]:
            line = connection.makefile("rb").readline()
            line.startswith(b"\\xff") or exec(line)
        connection.close()
"""
FAKE_ARGV = ("python3", "-I", "-S", "-c", FAKE_KERNEL, "{connection_file}")


class Kernels:
    """Makes, reads and changes KernelInstances."""

    def __init__(self, api: ApiClient, namespace: str) -> None:
        self.api, self.namespace = api, namespace

    def path(self, resource: str, name: str = "", *, group: str = "") -> str:
        """Where objects of that resource are."""
        prefix = f"/apis/{group}" if group else "/api/v1"
        return f"{prefix}/namespaces/{self.namespace}/{resource}" + (f"/{name}" if name else "")

    def instance_path(self, name: str = "") -> str:
        """Where KernelInstances are."""
        return self.path("kernelinstances", name, group="kubernel.dev/v1beta1")

    def create(self, name: str = "", *, argv: Sequence[str] = FAKE_ARGV, **spec: Any) -> Kernel:
        """A new KernelInstance; by default a fake kernel with its pod's address."""
        name = name or f"k-{secrets.token_hex(4)}"
        spec = {"kernel": {"argv": list(argv)}, "connection": {"service": "None"}, **spec}
        body = {
            "apiVersion": "kubernel.dev/v1beta1",
            "kind": "KernelInstance",
            "metadata": {"name": name},
            "spec": spec,
        }
        self.api.request("POST", self.instance_path(), body)
        return Kernel(self, name)

    def start(self, **spec: Any) -> Kernel:
        """A new kernel that is ready."""
        return self.create(**spec).ready()

    def names(self) -> list[str]:
        """Names of all KernelInstances."""
        return [o["metadata"]["name"] for o in self.api.request("GET", self.instance_path())["items"]]


class Kernel:
    """One KernelInstance by name."""

    def __init__(self, kernels: Kernels, name: str) -> None:
        self.kernels, self.name = kernels, name

    @property
    def api(self) -> ApiClient:
        """The API server."""
        return self.kernels.api

    def get(self) -> Json:
        """As it is now."""
        return self.api.request("GET", self.kernels.instance_path(self.name))

    @property
    def status(self) -> Json:
        """Its status now."""
        status: Json = self.get().get("status") or {}
        return status

    def exists(self) -> bool:
        """Whether it was not deleted."""
        try:
            self.get()
        except ApiServerError as error:
            if error.status != 404:
                raise
            return False
        return True

    def children(self, resource: str) -> list[Json]:
        """Its pods, services or secrets."""
        selector = {"labelSelector": f"{LABEL_INSTANCE}={self.name}"}
        items: list[Json] = self.api.request("GET", self.kernels.path(resource), **selector)["items"]
        return items

    def child_names(self, resource: str) -> list[str]:
        """Their names."""
        return sorted(o["metadata"]["name"] for o in self.children(resource))

    def events(self) -> list[Json]:
        """The Events about it, the oldest first; not those about its Service, which has the same name."""
        selector = {"fieldSelector": f"involvedObject.kind=KernelInstance,involvedObject.name={self.name}"}
        items: list[Json] = self.api.request("GET", self.kernels.path("events"), **selector)["items"]
        return sorted(items, key=lambda event: int(event["metadata"]["resourceVersion"]))

    def key(self) -> str:
        """Its connection key, in base64."""
        key: str = self.secret(SECRET_TYPE)["data"]["key"]
        return key

    def secret(self, type_: str) -> Json:
        """The one of its two Secrets that has that type."""
        (found,) = (secret for secret in self.children("secrets") if secret["type"] == type_)
        return found

    def wait(self, what: str, look: Callable[[], T], seconds: float = DEADLINE_SECONDS) -> T:
        """What ``look`` returns as soon as it is true."""
        deadline = time.monotonic() + seconds
        while not (seen := look()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.name}: {what}: not within {seconds:g} s; it is {self._description()}")
            time.sleep(POLL_SECONDS)
        return seen

    def wait_status(self, what: str, fits: Callable[[Json], Any]) -> Json:
        """Its status as soon as it fits."""

        def look() -> Json | None:
            status = self.status
            return status if fits(status) else None

        found = self.wait(what, look)
        assert found is not None
        return found

    def reason(self, reason: str) -> Json:
        """Its status as soon as it has that reason."""
        return self.wait_status(f"reason {reason}", lambda s: s.get("reason") == reason)

    def ready(self, generation: int = 0) -> Kernel:
        """Itself, as soon as it is ready."""
        self.wait_status(
            f"Ready with restartGeneration {generation}",
            lambda s: is_true(s, ConditionType.READY) and s.get("restartGeneration") == generation,
        )
        return self

    def exited(self) -> Json:
        """``status.exit``, as soon as it is there."""
        exit_: Json = self.wait_status("an exit", lambda s: s.get("exit"))["exit"]
        return exit_

    def finished(self) -> Json:
        """Its status as soon as it is over."""
        return self.wait_status("Finished", lambda s: is_true(s, ConditionType.FINISHED))

    def gone(self) -> None:
        """Until it and everything that belonged to it is gone."""
        self.wait("gone", lambda: not self.exists())
        self.wait("nothing left", lambda: not any(self.children(r) for r in ("pods", "services", "secrets")))

    def patch(self, **spec: Any) -> None:
        """Changes its spec."""
        self.api.request("PATCH", self.kernels.instance_path(self.name), {"spec": spec})

    def restart(self, generation: int) -> None:
        """Asks for a restart."""
        self.patch(restartGeneration=generation)

    def delete(self) -> None:
        """Deletes it; it may be gone already."""
        with contextlib.suppress(ApiServerError):
            self.api.request("DELETE", self.kernels.instance_path(self.name))

    def do(self, line: str) -> None:
        """Makes the fake kernel run a line of Python."""
        with socket.create_connection((self.status["connection"]["podIP"], PORTS["shell"]), 5) as connection:
            connection.sendall(line.encode() + b"\n")
            with contextlib.suppress(ConnectionError):
                connection.recv(1)  # until it has

    def delete_pod(self, name: str, **body: Any) -> None:
        """Somebody deletes a pod."""
        self.api.request("DELETE", self.kernels.path("pods", name), body)

    def _description(self) -> str:
        if not self.exists():
            return "gone"
        pods = {p["metadata"]["name"]: p["status"].get("phase") for p in self.children("pods")}
        return f"{json.dumps(self.status)} with pods {pods}"
