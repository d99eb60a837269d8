"""A start that finds a living kernel of the same owner, and takes it up instead of starting one."""

import json
from collections.abc import AsyncIterator

import pytest
from jupyter_client.manager import AsyncKernelManager

from fixtures.fake_api_server import INSTANCES, KERNEL, SECRET, FakeApiServer, failure, instance, listing
from fixtures.kernel_pod import Pod
from kubernel_api.constants import ANNOTATION_JUPYTER, LABEL_SERVER
from kubernel_provisioner import KubernetesProvisioner
from kubernel_provisioner.errors import KernelDeletedError, NotPermittedError
from kubernel_provisioner.launch.claiming import Left
from kubernel_provisioner.launch.kernel_resource import describe_for_jupyter

OWNER = "alice"


def left_behind(pod: Pod, server: str = "earlier") -> dict[str, object]:
    """k-1, as an earlier server has left it."""
    found = instance(server=server, **pod.status())
    found["metadata"]["annotations"] = {ANNOTATION_JUPYTER: describe_for_jupyter("1", "science", None)}
    found["spec"]["owner"] = OWNER
    return found


@pytest.fixture
async def left(provisioner: KubernetesProvisioner, server: FakeApiServer, pod: Pod) -> AsyncIterator[Left]:
    """What the provisioner finds."""
    manager = AsyncKernelManager()
    provisioner.owner, provisioner.parent = OWNER, manager
    server.answers["GET", INSTANCES] = [listing(1, left_behind(pod))]
    (found,) = await provisioner.find_left()
    server.answers["GET", INSTANCES] = [listing(1)]
    server.answers["GET", KERNEL] = [(200, left_behind(pod))]
    server.answers["PATCH", KERNEL] = [(200, instance(version=6, **pod.status()))]
    yield found
    manager.context.destroy(linger=0)


async def test_it_is_not_started_anew(
    provisioner: KubernetesProvisioner, left: Left, server: FakeApiServer, pod: Pod
) -> None:
    info = await provisioner.launch_kernel([], kubernel_left=left)
    assert info["ip"] == "127.0.0.1"
    assert (provisioner.has_process, await provisioner.poll()) == (True, None)
    assert ("POST", INSTANCES) not in server.calls()
    (patch,) = [body for method, path, body in server.requests if (method, path) == ("PATCH", KERNEL)]
    assert patch["metadata"]["labels"] == {LABEL_SERVER: "s"}
    assert patch["metadata"]["resourceVersion"] == "5"  # the loser of a race is refused
    assert ("GET", KERNEL) not in server.calls()  # the list has said all


async def test_another_server_was_faster(
    provisioner: KubernetesProvisioner, left: Left, server: FakeApiServer, pod: Pod
) -> None:
    server.answers["PATCH", KERNEL] = [failure(409, "Conflict")]
    server.answers["GET", KERNEL] = [(200, left_behind(pod, server="third"))]
    with pytest.raises(KernelDeletedError, match="Another server has taken this kernel over"):
        await provisioner.launch_kernel([], kubernel_left=left)
    assert [method for method, path in server.calls() if path == KERNEL] == ["PATCH", "GET"]


async def test_it_was_deleted_meanwhile(provisioner: KubernetesProvisioner, left: Left, server: FakeApiServer) -> None:
    server.answers["PATCH", KERNEL] = [failure(404, "NotFound")]
    with pytest.raises(KernelDeletedError, match="deleted the kernel meanwhile"):
        await provisioner.launch_kernel([], kubernel_left=left)


async def test_one_that_starts_is_gone_on_with(
    provisioner: KubernetesProvisioner, left: Left, server: FakeApiServer, pod: Pod
) -> None:
    """Its server was killed before it was ready; it is waited for as any other."""
    starting = Left({**left.instance, "status": {}}, left.kernel_id, left.kernel_name, left.session)
    info = await provisioner.launch_kernel([], kubernel_left=starting)
    assert info["ip"] == "127.0.0.1"
    assert ("POST", INSTANCES) not in server.calls()
    (patch,) = [body for method, path, body in server.requests if (method, path) == ("PATCH", KERNEL)]
    assert patch["metadata"]["labels"] == {LABEL_SERVER: "s"}


async def test_one_that_starts_and_whose_key_may_not_be_read_is_deleted(
    provisioner: KubernetesProvisioner, left: Left, server: FakeApiServer
) -> None:
    server.answers["GET", SECRET] = [failure(403, "Forbidden")]
    starting = Left({**left.instance, "status": {}}, left.kernel_id, left.kernel_name, left.session)
    with pytest.raises(NotPermittedError, match="cannot read the key"):
        await provisioner.launch_kernel([], kubernel_left=starting)
    await server.asked("DELETE", KERNEL)


async def test_its_key_may_not_be_read(provisioner: KubernetesProvisioner, left: Left, server: FakeApiServer) -> None:
    server.answers["GET", SECRET] = [failure(403, "Forbidden")]
    with pytest.raises(NotPermittedError, match="cannot read the key"):
        await provisioner.launch_kernel([], kubernel_left=left)
    assert ("PATCH", KERNEL) not in server.calls()


async def test_without_an_owner_nothing_is_looked_for(
    provisioner: KubernetesProvisioner, server: FakeApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JUPYTERHUB_USER", raising=False)
    assert await provisioner.find_left() == []
    assert server.calls() == []


@pytest.mark.parametrize(
    ("name", "owner"), [pytest.param("", "alice/default", id="default"), pytest.param("gpu", "alice/gpu", id="named")]
)
def test_a_hubs_server(
    provisioner: KubernetesProvisioner, monkeypatch: pytest.MonkeyPatch, name: str, owner: str
) -> None:
    monkeypatch.setenv("JUPYTERHUB_USER", "alice")
    monkeypatch.setenv("JUPYTERHUB_SERVER_NAME", name)
    assert provisioner.whose == owner


async def test_a_renamed_notebook(running: KubernetesProvisioner, server: FakeApiServer) -> None:
    running.owner = OWNER
    session = {"id": "s", "path": "new.ipynb", "name": "new.ipynb", "type": "notebook"}
    running.note_session(session)
    await server.asked("PATCH", KERNEL)
    (patch,) = [body for method, path, body in server.requests if (method, path) == ("PATCH", KERNEL)]
    assert json.loads(patch["metadata"]["annotations"][ANNOTATION_JUPYTER])["session"] == session
