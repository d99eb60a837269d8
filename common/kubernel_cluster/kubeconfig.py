"""Loads a kubeconfig as kubectl does, with the official client's loader where that does the same.

Imports the kubernetes package, which takes the better part of a second; ``log_in`` imports this when it is needed.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from kubernetes.aio.config.kube_config import ConfigNode, FileOrData, KubeConfigLoader

from .errors import NoLoginError
from .exec_plugin import run_plugin
from .login import first_document, lifetime_of

# What in a kubeconfig's user stands for credentials.
CREDENTIALS = frozenset(
    {"exec", "token", "tokenFile", "auth-provider", "client-certificate", "client-certificate-data", "username"}
)
GO_BEFORE_EXEC = frozenset({"token", "username", "client-certificate", "client-certificate-data"})
LISTS = ("clusters", "contexts", "users")
# Fields that name files, relative to the kubeconfig that they stand in.
FILES = ("tokenFile", "client-certificate", "client-key", "certificate-authority")


@dataclass(frozen=True)
class Loaded:
    """What a kubeconfig says beside the configuration.

    Args:
        context: its name.
        namespace: the context's; None without one.
        lifetime: seconds for which the credentials are good; None when they do not tell.
        headers: of every request.
    """

    context: str
    namespace: str | None
    lifetime: float | None
    headers: tuple[tuple[str, str], ...]


async def load(path: str, files: list[str], context: str | None, configuration: Any) -> Loaded:
    """Fills ``configuration``.

    Args:
        path: as it was given, for errors.
        files: those of it that exist; the first one that says something wins, as with kubectl.
        context: None for the current one.
        configuration: a ``kubernetes.aio.client.Configuration``.

    Raises:
        NoLoginError: the credentials that it names cannot be had. Never without any: the API server takes such
            requests for those of ``system:anonymous``, and says 403 to all that follow.
    """
    merged = _merged(path, files)
    loader: Any = Loader(ConfigNode(path, merged, path), _context(path, merged, context))  # type: ignore[no-untyped-call]
    used, user = loader.current_context, loader.user
    named = used["context"].get("user")
    if named and named not in {node.value["name"] for node in merged["users"]}:
        raise NoLoginError(f"the kubeconfig {path} has no user {named}, which its context {used['name']} names")
    await loader.load_and_set(configuration)
    if CREDENTIALS & user.keys() and not (configuration.api_key.get("BearerToken") or configuration.cert_file):
        named = ", ".join(sorted(CREDENTIALS & user.keys()))
        raise NoLoginError(f"the kubeconfig {path} names credentials ({named}) that hold nothing")
    if any(character in "\r\n\0" for character in configuration.api_key.get("BearerToken") or ""):
        raise NoLoginError(f"the kubeconfig {path} names a token of several lines", "No header can hold it.")
    if "@" in urlsplit(configuration.host).netloc:  # what stands before it may be a password
        raise NoLoginError(
            f"the kubeconfig {path} names a user in its server's URL", "Say it as the user's username and password."
        )
    if not configuration.host.startswith(("https://", "http://")):
        raise NoLoginError(
            f"the kubeconfig {path} names the server {configuration.host}", "It must begin with https:// or http://."
        )
    return Loaded(used["name"], used["context"].get("namespace"), loader.lifetime, impersonation(user))


def impersonation(user: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """The headers that ``kubectl --as`` sends, of a user that the kubeconfig wants to be another one."""
    extra = (user.get("as-user-extra") or {}).items()
    found = [
        ("Impersonate-User", user.get("as")),
        ("Impersonate-Uid", user.get("as-uid")),
        *(("Impersonate-Group", group) for group in user.get("as-groups") or []),
        *((f"Impersonate-Extra-{quote(key, safe='')}", value) for key, values in extra for value in values),
    ]
    return tuple((name, str(value)) for name, value in found if value)


def _merged(path: str, files: list[str]) -> dict[str, Any]:
    merged: dict[str, Any] = {"current-context": None, **{kind: [] for kind in LISTS}}
    is_empty = True
    for file in files:
        config = first_document(file)
        if config is None:
            continue
        is_empty = False
        if not isinstance(config, dict):
            raise NoLoginError(f"the kubeconfig {path} cannot be used", f"{file} is no YAML mapping.")
        merged["current-context"] = merged["current-context"] or config.get("current-context")
        for kind in LISTS:
            there = {node.value["name"] for node in merged[kind]}
            merged[kind] += [ConfigNode(kind, item, file) for item in _named(config, kind) if item["name"] not in there]  # type: ignore[no-untyped-call]
    if is_empty:
        raise NoLoginError(f"the kubeconfig {path} cannot be used", "It is empty.")
    return merged


def _named(config: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """The entries of a list, of which each has the name of its kind and may have nothing there: ``user: null``.

    One without a name is nobody's, and no reason to refuse the others.
    """
    one = kind.removesuffix("s")
    return [{"name": "", **item, one: item.get(one) or {}} for item in config.get(kind) or []]


def _context(path: str, merged: dict[str, Any], asked: str | None) -> str:
    wanted, there = asked or merged["current-context"], [node.value["name"] for node in merged["contexts"]]
    has = f"It has {', '.join(there)}." if there else "It has none."
    if not wanted:
        raise NoLoginError(
            f"the kubeconfig {path} has no current context", f"{has} Set context or KUBERNEL_CONTEXT, or choose one."
        )
    if wanted not in there:
        raise NoLoginError(f"the kubeconfig {path} has no context {wanted}", has)
    return str(wanted)


class Loader(KubeConfigLoader):
    """The official loader, but for what it does otherwise than kubectl.

    Files are looked for beside the kubeconfig that names them, and not beside its cluster's. ``exec`` fails with words.
    Tokens of an ``auth-provider`` are used and never renewed: the official loader does so without a look at the
    issuer's certificate, and throws the new refresh token away, which logs kubectl out.

    Attributes:
        user: the context's user as the kubeconfig has it.
        lifetime: seconds for which a command's credentials are good; None when it did not say, or there is none.
    """

    def __init__(self, merged: Any, context: str) -> None:
        super().__init__(merged, active_context=context, config_base_path=None)  # type: ignore[no-untyped-call]
        self.lifetime: float | None = None
        self.provider = None
        user: Any = self._user or ConfigNode("user", {})  # type: ignore[no-untyped-call]
        cluster: Any = self._cluster
        self.user: dict[str, Any] = dict(user.value)
        self._folder = _folder(user.path)
        self._own = _with_token(_tidied(self.user, self._folder))
        self._of_cluster = _tidied(cluster.value, _folder(cluster.path))
        if "server" in self._of_cluster:
            self._of_cluster["server"] = _server(str(self._of_cluster["server"]))
        self._user = ConfigNode("user", self._own)  # type: ignore[no-untyped-call]
        self._cluster = ConfigNode("cluster", self._of_cluster)  # type: ignore[no-untyped-call]

    async def load_from_exec_plugin(self) -> bool:
        """Called by the official loader for ``exec``. Credentials that are there go before, as with kubectl."""
        if GO_BEFORE_EXEC & self._own.keys():
            return False
        status = await run_plugin(self.user["exec"], self._of_cluster, self._folder)
        if status.get("token"):
            self.token = f"Bearer {status['token']}"
        if status.get("clientCertificateData"):
            self.cert_file, self.key_file = (_file(status, "clientCertificateData"), _file(status, "clientKeyData"))
        self.lifetime = _seconds_until(status.get("expirationTimestamp"))
        return True


def _seconds_until(timestamp: str | None) -> float | None:
    if not timestamp:
        return None
    try:
        return (datetime.fromisoformat(timestamp) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError) as error:
        raise NoLoginError(f"the kubeconfig's command printed the expirationTimestamp {timestamp!r}") from error


def _server(url: str) -> str:
    """As kubectl reads it: HTTPS:// is https://, and what follows a question mark is no part of it.

    Raises:
        ValueError: it is no URL.
    """
    parts = urlsplit(url)
    parts.port  # noqa: B018 - raises for what is none
    return parts._replace(query="", fragment="").geturl()


def _tidied(values: dict[str, Any], folder: str) -> dict[str, Any]:
    """Without what is empty, which counts as absent, and with whole paths."""
    kept = {name: value for name, value in values.items() if value not in (None, "")}
    return {name: str(Path(folder, value)) if name in FILES else value for name, value in kept.items()}


def _with_token(user: dict[str, Any]) -> dict[str, Any]:
    """With what is in ``tokenFile``, which goes before ``token``, and of an ``auth-provider``."""
    file, provider = user.pop("tokenFile", None), user.pop("auth-provider", None)
    if file is not None:
        try:
            if text := Path(file).read_text(encoding="utf-8").strip():
                user["token"] = text
        except OSError as error:
            if "token" not in user:
                raise NoLoginError(f"the tokenFile {file} cannot be read", error.strerror or "") from error
    if provider is not None and "token" not in user:
        user["token"] = _provided(provider)
    if "username" in user:
        user.setdefault("password", "")
    return user


def _provided(provider: dict[str, Any]) -> str:
    name, config = provider.get("name"), provider.get("config") or {}
    if name != "oidc":
        raise NoLoginError(
            f"the kubeconfig's auth-provider {name} cannot be used", "kubectl has none either: log in anew, with exec."
        )
    token = str(config.get("id-token") or "")
    lifetime = lifetime_of(token, time.time())
    if not token or (lifetime is not None and lifetime <= 0):
        raise NoLoginError(
            "the kubeconfig's OIDC token has ended",
            "Any command of kubectl renews it. A login command (exec), such as kubelogin, is run by kubernel itself.",
        )
    return token


def _folder(file: str | None) -> str:
    # Nothing is relative to no file; and where this process is may have been deleted.
    return str(Path(file).absolute().parent) if file else ""


def _file(status: dict[str, Any], name: str) -> Any:
    return FileOrData(status, None, data_key_name=name, base64_file_content=False).as_file()  # type: ignore[no-untyped-call]
