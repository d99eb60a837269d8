"""The KernelTemplates of the operator's namespace, as a watch tells of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .template_facts import TemplateFacts, template_facts


class Templates:
    """What is known of them, by name. Fed by ``kubernel_cluster.follow``."""

    def __init__(self, namespace: str) -> None:
        """None is known yet. ``namespace``: the operator's, for people."""
        self._namespace = namespace
        self._listeners: list[Callable[[str], None]] = []
        self._known: dict[str, TemplateFacts] | None = None

    def tell(self, changed: Callable[[str], None]) -> None:
        """``changed`` is called with the name of each that is news or gone from now on."""
        self._listeners.append(changed)

    def get(self, name: str) -> TemplateFacts | None:
        """The template, or None."""
        return (self._known or {}).get(name)

    def values(self) -> list[TemplateFacts]:
        """All of them."""
        return list((self._known or {}).values())

    def why_missing(self, name: str) -> str:
        """A sentence for who waits for one that is not known."""
        if self._known is None:
            return f"KernelTemplate {name}: the operator cannot read those of namespace {self._namespace} yet."
        return f"There is no KernelTemplate {name} in namespace {self._namespace}."

    def replace(self, objects: list[dict[str, Any]], version: int, *, restored: bool = False) -> None:  # noqa: ARG002
        """Takes a complete list."""
        before, self._known = self._known or {}, {f.name: f for f in map(template_facts, objects)}
        for name in sorted(before.keys() | self._known.keys()):
            if before.get(name) != self._known.get(name):
                self._changed(name)

    def apply(self, event: str, obj: dict[str, Any]) -> None:
        """Takes one event."""
        found = template_facts(obj)
        known = self._known if self._known is not None else {}
        if event == "DELETED":
            known.pop(found.name, None)
        else:
            known[found.name] = found
        self._known = known
        self._changed(found.name)

    def _changed(self, name: str) -> None:
        for listener in self._listeners:
            listener(name)
