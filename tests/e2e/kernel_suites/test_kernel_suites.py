"""The suites of jupyter_kernel_test, run as a kernel's author runs them, against kernels on the cluster.

Suites and kernelspecs know nothing of the cluster; the environment alone sends the kernels there.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from fixtures.cluster import cluster_command
from fixtures.programs import Environment, RunProgram

HERE = Path(__file__).parent
R_IMAGE = "localhost/kubernel/kernel-r:dev"
# What IRkernel::installspec() writes.
R_KERNELSPEC = {
    "argv": ["R", "--slave", "-e", "IRkernel::main()", "--args", "{connection_file}"],
    "display_name": "R",
    "language": "R",
}


@pytest.fixture
def r_environment(cluster_environment: Environment, tmp_path: Path) -> Environment:
    """The cluster, its R image, and a kernelspec for R."""
    cluster_command("images", "kernel-r")
    folder = tmp_path / "jupyter" / "kernels" / "ir"
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(json.dumps(R_KERNELSPEC))
    return {**cluster_environment, "KUBERNEL_IMAGE": R_IMAGE, "JUPYTER_PATH": str(tmp_path / "jupyter")}


def run_suite(run_program: RunProgram, name: str, environment: Environment) -> Any:
    """Runs a suite, which must succeed; how many tests ran, and why some were skipped."""
    done = run_program("python", str(HERE / "run_suite.py"), name, env=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_python(run_program: RunProgram, cluster_environment: Environment) -> None:
    assert run_suite(run_program, "python_suite", cluster_environment) == {
        "ran": 13,
        "skipped": ["History range not supported"],
    }


def test_r(run_program: RunProgram, r_environment: Environment) -> None:
    """An image without Python: the plain bootstrap starts R."""
    assert run_suite(run_program, "r_suite", r_environment) == {
        "ran": 12,
        "skipped": [
            "IRkernel sends results as display_data",
            "IRkernel answers every history_request with an empty list",
        ],
    }
