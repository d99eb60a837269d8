"""The API server as the tests see it: directly, as the administrator, in a few milliseconds a request."""

from __future__ import annotations

import http.client
import json
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from kubernetes import client, config

Json = dict[str, Any]


class ApiServerError(AssertionError):
    """The API server refused; ``status`` is its HTTP status."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status


@dataclass(frozen=True)
class Credentials:
    """How the administrator reaches the API server."""

    server: str
    ca_file: str | None
    client_files: tuple[str, str] | None
    headers: dict[str, str]

    @classmethod
    def of(cls, kubeconfig: Path) -> Credentials:
        """Those in a kubeconfig."""
        found = client.Configuration()
        config.load_kube_config(str(kubeconfig), client_configuration=found)
        files = (found.cert_file, found.key_file) if found.cert_file else None
        token = found.api_key.get("authorization")
        return cls(found.host, found.ssl_ca_cert, files, {"Authorization": token} if token else {})

    def ssl_context(self) -> ssl.SSLContext:
        """For a connection to the server."""
        context = ssl.create_default_context(cafile=self.ca_file)
        if self.client_files:
            context.load_cert_chain(*self.client_files)
        return context


class ApiClient:
    """Requests by path."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._context = credentials.ssl_context()
        self._connection: http.client.HTTPSConnection | None = None

    def request(self, method: str, path: str, body: Json | None = None, **query: str) -> Json:
        """The decoded answer.

        Raises:
            ApiServerError: the server refused.
        """
        patches = {"Content-Type": "application/merge-patch+json" if method == "PATCH" else "application/json"}
        target = f"{path}?{urlencode(query)}" if query else path
        status, text = self._exchange(
            method, target, json.dumps(body) if body is not None else None, {**self._credentials.headers, **patches}
        )
        if status >= 400:
            raise ApiServerError(status, text)
        answer: Json = json.loads(text)
        return answer

    def close(self) -> None:
        """Ends the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _exchange(self, method: str, target: str, body: str | None, headers: dict[str, str]) -> tuple[int, str]:
        for fresh in (False, True):
            if self._connection is None or fresh:
                self.close()
                parts = urlsplit(self._credentials.server)
                self._connection = http.client.HTTPSConnection(
                    parts.hostname or "", parts.port, timeout=30, context=self._context
                )
            try:
                self._connection.request(method, target, body, headers)
                answer = self._connection.getresponse()
                return answer.status, answer.read().decode()
            except (http.client.RemoteDisconnected, ConnectionError):
                if fresh:
                    raise
        raise AssertionError("unreachable")
