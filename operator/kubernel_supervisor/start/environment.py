"""The environment that a kernel sees."""

import os

#: Tried in turn where something must be written; the last one is there even when the root file system is read-only.
TEMPORARY_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - the container's own


def kernel_environment(extra: "dict[str, str]", without: "frozenset[str]" = frozenset()) -> "dict[str, str]":
    """The kernel's environment: ours but for ``without``, and ``extra``.

    What would make it believe in a Jupyter server as parent is left out.

    What a user without passwd entry lacks is added: a container runtime gives such a one ``HOME=/``, and
    ``getpass.getuser()`` of Python raises an error. Any other home stays as it is, writable or not: settings and
    packages may lie in it.
    """
    env = {**{name: value for name, value in os.environ.items() if name not in without}, **extra}
    env = {name: value for name, value in env.items() if name != "JPY_PARENT_PID" and not name.startswith("KUBERNEL_")}
    temporary = next((folder for folder in TEMPORARY_FOLDERS if os.access(folder, os.W_OK)), "")
    if temporary == "/dev/shm":  # noqa: S108 - Python's tempfile, R and others would not try that one
        env.setdefault("TMPDIR", temporary)
    if env.get("HOME", "/") == "/" and not os.access("/", os.W_OK):
        env["HOME"] = temporary or "/"
    if not has_passwd_entry():
        name = env.get("USER") or env.get("LOGNAME") or "kernel"
        env.setdefault("USER", name)
        env.setdefault("LOGNAME", name)
    return env


def has_passwd_entry() -> bool:
    """Whether this process's user has a name."""
    import pwd

    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        return False
    return True


def problem_of(env: "dict[str, str]") -> str:
    """What makes ``env`` impossible as a process's environment, in one line; "" when nothing does."""
    for name, value in env.items():
        if not name or "=" in name:
            return f"{name!r} cannot be the name of a variable"
        try:
            if b"\0" in os.fsencode(name) + os.fsencode(value):
                return f"the variable {name!r} holds a NUL"
        except UnicodeEncodeError:
            return f"the variable {name!r} is no text that can be encoded"
    return ""
