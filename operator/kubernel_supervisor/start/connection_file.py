"""The connection file, as Jupyter kernels read it."""

import os

from .console import StartError
from .settings import Settings


def connection_text(settings: Settings, secrets: "dict[str, str]") -> str:
    """The connection file. No value needs quoting: keys are hexadecimal or Z85, names of kernelspecs plain words."""
    texts = {
        "transport": "tcp",
        "ip": settings.any_address,
        "signature_scheme": "hmac-sha256",
        "key": secrets["key"],
        "kernel_name": settings.kernel_name,
    }
    for name in ("curve_publickey", "curve_secretkey"):
        if settings.encryption != "Disabled" and secrets.get(name):
            texts[name] = secrets[name]
    items = [f'"{name}": "{text}"' for name, text in texts.items()]
    items += [f'"{name}_port": {port}' for name, port in settings.ports.items()]
    return "{" + ", ".join(items) + "}\n"


def public_connection(settings: Settings) -> "dict[str, str | int]":
    """What of the connection file is known before there is a key."""
    texts = {"transport": "tcp", "ip": settings.any_address, "signature_scheme": "hmac-sha256"}
    return {**texts, **{f"{name}_port": port for name, port in settings.ports.items()}}


def write_private(path: str, text: str) -> None:
    """Writes a file that only we may read, in a folder that only we may enter."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    if os.path.lexists(path):  # never through a link, never into a file that others have open
        os.unlink(path)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(handle, text.encode("ascii"))
    finally:
        os.close(handle)


def write_connection_file(settings: Settings, secrets: "dict[str, str]") -> str:
    """Writes the connection file and returns its path; a read-only root file system still has /dev/shm.

    Raises:
        StartError: it cannot be written.
    """
    wanted = settings.connection_file
    text = connection_text(settings, secrets)
    try:
        write_private(wanted, text)
        return wanted
    except OSError as error:
        path = "/dev/shm/kubernel/" + os.path.basename(wanted)  # noqa: S108 - the container's own
        try:
            write_private(path, text)
        except OSError:
            raise StartError(1, f"cannot write the connection file {wanted} ({error}): mount an emptyDir") from error
        return path
