"""The committed CRDs on a real API server, which is the only judge of a CustomResourceDefinition.

No operator looks after the namespaces here, so a status changes only when a test writes it.
"""

import secrets
from collections.abc import Callable, Iterator

import pytest

from fixtures.kubectl import Kubectl, Object
from fixtures.namespaces import PREFIX_OF_PROCESSES, restricted_namespace


@pytest.fixture(scope="session")
def crowded(kubectl: Kubectl) -> Iterator[Kubectl]:
    """kubectl in one namespace for all tests that only need a name of their own: a namespace each costs a second."""
    name = f"{PREFIX_OF_PROCESSES}-api-{secrets.token_hex(4)}"
    kubectl.apply(restricted_namespace(name))
    yield kubectl.within(name)
    kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def alone(kubectl: Kubectl, operator_namespace: str) -> Kubectl:
    """kubectl in a namespace of the test's own."""
    return kubectl.within(operator_namespace)


@pytest.fixture
def kernel_instance() -> Callable[..., Object]:
    """Builds a KernelInstance from the fields of its spec; one test's objects share a name that no other test has."""
    name = f"demo-{secrets.token_hex(4)}"

    def build(*, metadata_name: str = name, **spec: object) -> Object:
        return {
            "apiVersion": "kubernel.dev/v1beta1",
            "kind": "KernelInstance",
            "metadata": {"name": metadata_name},
            "spec": spec,
        }

    return build
