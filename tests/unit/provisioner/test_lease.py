"""The Lease that a process writes."""

from datetime import UTC, datetime

from kubernel_provisioner.lease import build_lease


def test_build_lease() -> None:
    assert build_lease("5e54e5", datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)) == {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": "kubernel-server-5e54e5",
            "labels": {"kubernel.dev/server": "5e54e5", "app.kubernetes.io/managed-by": "kubernel"},
        },
        "spec": {
            "holderIdentity": "5e54e5",
            "leaseDurationSeconds": 60,
            "acquireTime": "2026-01-02T03:04:05.000678Z",
            "renewTime": "2026-01-02T03:04:05.000678Z",
        },
    }
