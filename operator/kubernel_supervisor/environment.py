"""The environment that a kernel sees."""

import os


def kernel_environment(extra: "dict[str, str]") -> "dict[str, str]":
    """The kernel's environment: ours, without what would make it believe in a Jupyter server as its parent.

    A container runtime gives a user without passwd entry ``HOME=/``. Any other home stays as it is, writable or not:
    settings and packages may lie in it.
    """
    env = {**os.environ, **extra}
    env = {name: value for name, value in env.items() if name != "JPY_PARENT_PID" and not name.startswith("KUBERNEL_")}
    if env.get("HOME", "/") == "/" and not os.access("/", os.W_OK):
        env["HOME"] = "/tmp"  # noqa: S108 - the container's own /tmp
    return env
