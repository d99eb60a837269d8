"""The page of a kernel that stands still says why, and the cell goes on where it was."""

import pytest

from fixtures.kubectl import Kubectl, Object

from .conftest import HostServer, new_kernel, until_busy

pytestmark = pytest.mark.extension
LATER = "import time; print('begun', flush=True); time.sleep(5); print('done')"


@pytest.mark.parametrize("runs", [pytest.param(True, id="a cell that runs"), pytest.param(False, id="one sent later")])
def test_a_cell_is_told_of_a_pause(server: HostServer, kubectl: Kubectl, namespace: str, runs: bool) -> None:
    here = kubectl.within(namespace)

    def suspend(value: str) -> None:
        here("patch", "kernel", "--type=merge", f'--patch={{"spec":{{"suspend":{value}}}}}', name)
        here("wait", f"--for=condition=Suspended={value.title()}", "--timeout=60s", "kernel", name)

    with new_kernel(server) as (kernel_id, socket):
        name = f"k-{kernel_id}"
        cell = ""
        if runs:
            cell = until_busy(socket, LATER)
        else:
            socket.until_answered()
        suspend("true")
        cell = cell or socket.execute("print('done')")
        told = next(shown(message) for message in socket.messages(cell) if shown(message))
        assert "The kernel is paused" in told
        assert f"kubernel resume {name} -n {namespace}" in " ".join(told.split())
        suspend("false")
        rest = list(socket.messages(cell))
        assert [shown(message) for message in rest if shown(message) is not None] == [""]
        assert any("done" in message["content"].get("text", "") for message in rest)


def shown(message: Object) -> str | None:
    """The words of a cell that are not saved, and "" where they are taken back."""
    is_shown = message["content"].get("metadata", {}).get("kubernel_transient")
    return str(message["content"]["data"]["text/plain"]) if is_shown else None
