"""Where things are."""

from kubernel_cluster import paths


def test_paths() -> None:
    assert paths.kernel_instances("ns") == "/apis/kubernel.dev/v1beta1/namespaces/ns/kernelinstances"
    assert paths.kernel_instances() == "/apis/kubernel.dev/v1beta1/kernelinstances"
    assert paths.core("pods", "ns") == "/api/v1/namespaces/ns/pods"
    assert paths.core("pods") == "/api/v1/pods"
    assert paths.leases("ns") == "/apis/coordination.k8s.io/v1/namespaces/ns/leases"
