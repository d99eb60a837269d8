"""Runs the command that a kubeconfig names for its credentials (``user.exec``), as kubectl does.

The official client's own way logs a failure and goes on without credentials, i.e. as ``system:anonymous``: what the
command said would be lost, and every request after that refused.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from .errors import NoLoginError

# Some commands open a browser and wait for its user.
TIMEOUT_SECONDS = 180.0
WORDS_LIMIT = 500


async def run_plugin(config: dict[str, Any], cluster: dict[str, Any], folder: str) -> dict[str, Any]:
    """The ``status`` of the ExecCredential that the command prints.

    Args:
        config: ``user.exec``.
        cluster: the kubeconfig's cluster, for commands that ask for it.
        folder: where the kubeconfig is; a relative path of a command starts there.

    Raises:
        NoLoginError: the command failed; in its own words.
    """
    command = str(config.get("command") or "")
    if os.sep in command:
        command = str(Path(folder, command))
    arguments = [str(argument) for argument in config.get("args") or []]
    shown = " ".join([str(config.get("command")), *arguments])
    code, output, words = await _run([command, *arguments], _environment(config, cluster), shown, config)
    if code != 0:
        if config.get("interactiveMode") == "Always":  # it may be a server that asks, and nobody at its terminal
            words += " It wants a terminal: run it by hand, or any command of kubectl, first."
        raise NoLoginError(f"the kubeconfig's command `{shown}` failed (exit code {code})", words.strip())
    try:
        answer = json.loads(output)
        status = answer["status"]
        complete = bool(status.get("token") or (status.get("clientCertificateData") and status.get("clientKeyData")))
    except (ValueError, KeyError, TypeError, AttributeError):
        complete = False
    if not complete:  # what it printed may hold a secret, and is not shown
        raise NoLoginError(f"the kubeconfig's command `{shown}` printed no ExecCredential with a token", words)
    if answer.get("apiVersion") != config.get("apiVersion"):
        raise NoLoginError(
            f"the kubeconfig's command `{shown}` speaks {answer.get('apiVersion')}",
            f"The kubeconfig expects {config.get('apiVersion')}.",
        )
    return dict(status)


async def _run(
    command: list[str], environment: dict[str, str], shown: str, config: dict[str, Any]
) -> tuple[int, bytes, str]:
    pipe = asyncio.subprocess.PIPE
    try:
        process = await asyncio.create_subprocess_exec(
            *command, env=environment, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe
        )
    except OSError as error:
        hint = " ".join(str(config.get("installHint") or "").split())
        raise NoLoginError(
            f"the kubeconfig's command `{shown}` cannot be run ({error.strerror})", hint[:WORDS_LIMIT]
        ) from error
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            output, words = await process.communicate()
    except TimeoutError:
        raise NoLoginError(f"the kubeconfig's command `{shown}` did not end within {TIMEOUT_SECONDS:.0f} s") from None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    text = " ".join(words.decode(errors="replace").split())
    return process.returncode or 0, output, text[-WORDS_LIMIT:]


def _environment(config: dict[str, Any], cluster: dict[str, Any]) -> dict[str, str]:
    spec: dict[str, Any] = {"interactive": False}
    if config.get("provideClusterInfo"):
        names = ("server", "tls-server-name", "insecure-skip-tls-verify", "certificate-authority-data", "proxy-url")
        spec["cluster"] = {name: cluster[name] for name in names if name in cluster}
        if "certificate-authority" in cluster and "certificate-authority-data" not in cluster:
            authority = Path(cluster["certificate-authority"]).read_bytes()
            spec["cluster"]["certificate-authority-data"] = base64.b64encode(authority).decode()
        for extension in cluster.get("extensions") or []:
            if extension.get("name") == "client.authentication.k8s.io/exec":
                spec["cluster"]["config"] = extension.get("extension")
    info = {"apiVersion": config.get("apiVersion"), "kind": "ExecCredential", "spec": spec}
    wanted = {str(item["name"]): str(item["value"]) for item in config.get("env") or []}
    return {**os.environ, **wanted, "KUBERNETES_EXEC_INFO": json.dumps(info)}
