"""Runs the command that a kubeconfig names for its credentials (``user.exec``), as kubectl does.

The official client's own way logs a failure and goes on without credentials, i.e. as ``system:anonymous``: what the
command said would be lost, and every request after that refused.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import os
import shutil
import subprocess
import threading
from itertools import takewhile
from pathlib import Path
from typing import IO, Any

from .errors import NoLoginError

# Some commands open a browser and wait for its user.
TIMEOUT_SECONDS = 180.0
# One that has something to say meanwhile wants an answer: a page to open, a code to enter there.
SPEAKS_AFTER_SECONDS = 2.0
# A browser that a command has opened may keep the command's output open for as long as it runs.
LAST_WORDS_SECONDS = 0.5
WORDS_LIMIT = 500

log = logging.getLogger(__name__)


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
    shown = _shown([str(config.get("command")), *arguments])
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


def _shown(command: list[str]) -> str:
    """A command without its options: ``--oidc-client-secret`` and ``--password`` are such."""
    words = list(takewhile(lambda word: not word.startswith("-"), command))
    return " ".join(words if len(words) == len(command) else [*words, "..."])


async def _run(
    command: list[str], environment: dict[str, str], shown: str, config: dict[str, Any]
) -> tuple[int, bytes, str]:
    """Exit code, output, and what it has said beside that; who waits for it sees that in the log already."""
    try:
        running = _Running([_found(command[0], environment), *command[1:]], environment)
    except OSError as error:
        hint = " ".join(str(config.get("installHint") or "").split())
        raise NoLoginError(
            f"the kubeconfig's command `{shown}` cannot be run ({error.strerror})", hint[:WORDS_LIMIT]
        ) from error
    told = ""
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while not await running.has_ended(SPEAKS_AFTER_SECONDS):
                if running.words != told:
                    told = running.words
                    log.warning("The kubeconfig's command `%s` goes on, and says: %s", shown, told)
    except TimeoutError:
        what = f"the kubeconfig's command `{shown}` did not end within {TIMEOUT_SECONDS:.0f} s"
        raise NoLoginError(what, running.words) from None
    finally:
        running.kill()
    return running.code, running.output, running.words


def _found(command: str, environment: dict[str, str]) -> str:
    """On Windows a program may be a .cmd, which only a search along the PATH finds."""
    return shutil.which(command, path=environment.get("PATH")) or command


class _Running:
    """A command that runs, read by threads.

    Event loops cannot all run one: jupyter_server chooses one on Windows that cannot, and some child watchers need the
    main thread.
    """

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(  # noqa: S603 - the kubeconfig's user has chosen it
            command, env=environment, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe
        )
        self._output: list[bytes] = []
        self._words: list[bytes] = []
        self._ended = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._wait, name="kubernel login", daemon=True).start()

    def _wait(self) -> None:
        pipes = ((self._process.stdout, self._output), (self._process.stderr, self._words))
        readers = [threading.Thread(target=_read, args=pipe, daemon=True) for pipe in pipes]
        for reader in readers:
            reader.start()
        self._process.wait()
        for reader in readers:
            reader.join(LAST_WORDS_SECONDS)
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._ended.set)

    async def has_ended(self, seconds: float) -> bool:
        """Whether it ends in that time."""
        try:
            async with asyncio.timeout(seconds):
                await self._ended.wait()
        except TimeoutError:
            return False
        return True

    @property
    def code(self) -> int:
        """Its exit code."""
        return self._process.returncode or 0

    @property
    def output(self) -> bytes:
        """What it printed."""
        return b"".join(self._output)

    @property
    def words(self) -> str:
        """The last that it said on standard error, in one line."""
        return " ".join(b"".join(self._words).decode(errors="replace").split())[-WORDS_LIMIT:]

    def kill(self) -> None:
        """Ends it, if it has not ended."""
        if self._process.poll() is None:
            self._process.kill()


def _read(pipe: IO[bytes], into: list[bytes]) -> None:
    with pipe:
        while piece := os.read(pipe.fileno(), 65536):
            into.append(piece)


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
    given = {str(item["name"]): item.get("value") for item in config.get("env") or []}
    wanted = {name: "" if value is None else str(value) for name, value in given.items()}
    return {**os.environ, **wanted, "KUBERNETES_EXEC_INFO": json.dumps(info)}
