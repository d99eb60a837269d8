"""``kubernel templates``: read with the user's own credentials."""

from collections.abc import Callable

import pytest

from fixtures.fake_api_server import FakeApiServer, failure, listing
from kubernel_cluster.login import ClusterKey
from kubernel_provisioner.commands.templates import Template, list_templates
from kubernel_provisioner.errors import NotPermittedError

TEMPLATES = "/apis/kubernel.dev/v1beta1/namespaces/kubernel-system/kerneltemplates"
GPU = {
    "metadata": {"name": "gpu"},
    "spec": {"description": "For GPUs", "defaults": {"image": "g:1"}},
    "status": {"conditions": [{"type": "Ready", "status": "True"}]},
}


async def test_they_are_sorted(server: FakeApiServer, write_kubeconfig: Callable[..., ClusterKey]) -> None:
    server.answers["GET", TEMPLATES] = [listing(3, GPU, {"metadata": {"name": "a"}})]
    found = await list_templates(write_kubeconfig(server.port), "kubernel-system")
    assert found == [Template("a", "", "", ""), Template("gpu", "True", "g:1", "For GPUs")]


async def test_a_refusal_says_where(server: FakeApiServer, write_kubeconfig: Callable[..., ClusterKey]) -> None:
    server.answers["GET", TEMPLATES] = [
        failure(403, "Forbidden", "nb cannot list kerneltemplates", kind="kerneltemplates", group="kubernel.dev")
    ]
    with pytest.raises(NotPermittedError) as refused:
        await list_templates(write_kubeconfig(server.port), "kubernel-system")
    lines = str(refused.value).replace(" \\\n    ", " ").splitlines()
    assert lines[0] == "Not permitted (403): cannot list the KernelTemplates of namespace kubernel-system."
    assert lines[1] == "nb cannot list kerneltemplates"
    assert "auth can-i --list -n kubernel-system (needed: kerneltemplates.kubernel.dev)" in lines[2]
