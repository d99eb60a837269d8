"""What helm itself says about the chart."""

from pathlib import Path

from .conftest import CHART, Helm


def test_lint_strict(helm: Helm, values_file: Path) -> None:
    done = helm("lint", "--strict", "--quiet", str(CHART), f"--values={values_file}")
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_older_kubernetes_is_refused(helm: Helm) -> None:
    done = helm("template", str(CHART), "--kube-version=1.31.9")
    assert "chart requires kubeVersion: >=1.32.0-0 which is incompatible with Kubernetes v1.31.9" in done.stderr
