"""What the operator tells a supervisor before its start: KUBERNEL_CONFIG, lines of ``NAME=VALUE``.

Lines and not JSON: ``plain.sh`` reads them as well, and ``import json`` would delay the kernel by 8 ms.
"""

JUPYTER_PORTS = ("shell", "iopub", "stdin", "control", "hb")
FORK_AFTER_SECONDS = 10.0


class Settings:
    """KUBERNEL_CONFIG, parsed. Names and meanings: ``docs/protocols.md``, "Environment of the kernel's container".

    Attributes:
        address: the pod's own, IPv4 or IPv6: clients come to this one.
        fork: whether a restart may fork the kernel.
        fork_after_seconds: for how long a kernel is quiet before what it could be forked from is made.
        encryption: ``Curve``, ``Disabled``, or ``Auto`` until the kernel has shown whether it can encrypt.
        preload: modules that a forked kernel has imported already.
        memory_guard: what becomes of a kernel that gets no more memory, ``Interrupt`` or ``Continue``; "": no guard.
        is_member: whether this is a pool's pod: it starts no kernel before it is bound to one.
        env: variables whose names a shell would drop, such as ``spark.driver.memory``; of a pool's pod, all.
        env_names: names of the variables that the user has set; a restart that brings others has none of these.

    Raises:
        KeyError: a line is missing.
        ValueError: a number is none.
    """

    def __init__(self, taken: "dict[str, str]") -> None:
        values = dict(line.split("=", 1) for line in taken["config"].splitlines() if line)
        self.secret, self.pod = values["secret"], values["pod"]
        self.address = taken["pod_ips"].split(",")[0]
        self.callback_urls = values["callbackURL"].split()
        self.kernel_name = values["kernelName"]
        self.ports = dict(zip(JUPYTER_PORTS, map(int, values["ports"].split())))  # noqa: B905 - Python 3.10
        self.control_port = int(values["controlPort"])
        self.connection_file = values["connectionFile"]
        self.restart_grace_seconds = float(values["restartGraceSeconds"])
        self.idle_timeout_seconds = float(values["idleTimeoutSeconds"] or 0)  # 0: no timeout
        self.restart_generation = int(values["restartGeneration"])
        self.fork, self.preload = values["fork"] == "Auto", values["preload"].split()
        self.fork_after_seconds = float(values.get("forkAfterSeconds") or FORK_AFTER_SECONDS)
        self.memory_guard = values["memoryGuard"]
        self.encryption = values["encryption"]
        self.env_names = frozenset(values["env"].split())
        self.is_member = values.get("member") == "1"
        env = dict(taken[name].split("=", 1) for name in taken if name.startswith("env_"))
        # Kubernetes leaves a reference to what is optional, and not there, as it is.
        self.env = {name: value for name, value in env.items() if value != f"$({name})"}

    @property
    def any_address(self) -> str:
        """What to listen on, to be reached at ``address``."""
        return "::" if ":" in self.address else "0.0.0.0"
