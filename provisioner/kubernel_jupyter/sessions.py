"""The server's session manager: kernels of ours know for which notebook they run, so that a later server does, too."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from jupyter_server.services.sessions.sessionmanager import SessionManager

#: The session that a kernel is started for: id, path, name and type.
starting_for: ContextVar[dict[str, Any] | None] = ContextVar("kubernel_session", default=None)


class KubernelSessionManager(SessionManager):
    """Tells the kernel manager which session a kernel is for."""

    async def start_kernel_for_session(
        self,
        session_id: str,
        path: str | None,
        name: str | None,
        type: str | None,  # noqa: A002 - the base's name
        *args: Any,
        **kwargs: Any,
    ) -> str:
        """Starts a kernel; the arguments are the base's."""
        token = starting_for.set({"id": session_id, "path": path, "name": name, "type": type})
        try:
            return str(await super().start_kernel_for_session(session_id, path, name, type, *args, **kwargs))
        finally:
            starting_for.reset(token)

    async def update_session(self, session_id: str, **kwargs: Any) -> None:
        """Changes a session: its notebook was renamed, or has another kernel."""
        await super().update_session(session_id, **kwargs)
        if kwargs:
            model = await self.get_session(session_id=session_id)
            session = {key: model[key] for key in ("id", "path", "name", "type")}
            self.kernel_manager.note_session(model["kernel"]["id"], session)
