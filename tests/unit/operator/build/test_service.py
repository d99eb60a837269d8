"""The Service that keeps a kernel's address."""

from fixtures.objects import UID, cr
from kubernel_operator.build.service import build_service


def test_build_service() -> None:
    ports = {"shell": 18881, "iopub": 18882, "stdin": 18883, "control": 18884, "hb": 18885, "supervisor": 18886}
    assert build_service(cr()) == {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "kernel-k1",
            "namespace": "ns",
            "labels": {
                "app.kubernetes.io/managed-by": "kubernel",
                "app.kubernetes.io/component": "kernel",
                "kubernel.dev/instance": "k1",
            },
            "ownerReferences": [
                {
                    "apiVersion": "kubernel.dev/v1beta1",
                    "kind": "KernelInstance",
                    "name": "k1",
                    "uid": UID,
                    "controller": True,
                    "blockOwnerDeletion": False,
                }
            ],
        },
        "spec": {
            "selector": {"app.kubernetes.io/managed-by": "kubernel", "kubernel.dev/instance": "k1"},
            "ports": [{"name": n, "port": p, "targetPort": p, "protocol": "TCP"} for n, p in ports.items()],
        },
    }


def test_a_name_that_starts_with_a_digit() -> None:
    assert build_service(cr(name="1a"))["metadata"]["name"] == "kernel-1a"


def test_a_headless_service_has_no_address_of_its_own() -> None:
    spec = build_service(cr(connection={"service": "Headless"}))["spec"]
    assert spec == {"clusterIP": "None", **build_service(cr())["spec"]}


def test_an_address_that_clients_know_is_asked_for() -> None:
    assert build_service(cr(), "10.96.0.9")["spec"]["clusterIP"] == "10.96.0.9"
    assert "clusterIP" not in build_service(cr())["spec"]
    headless = cr(connection={"service": "Headless"})
    assert build_service(headless, "kernel-k1.ns.svc")["spec"]["clusterIP"] == "None"
