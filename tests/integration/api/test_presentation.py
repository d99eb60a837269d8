"""What a person sees through kubectl: columns, short names, selectors, explanations."""

import json

import pytest

from fixtures.kubectl import Kubectl

DEMO = {
    "apiVersion": "kubernel.dev/v1beta1",
    "kind": "KernelInstance",
    "metadata": {"name": "demo"},
    "spec": {"kernel": {"name": "python3"}, "lifecycle": {"leaseName": "jupyter-alice"}},
}
STATUS = {
    "phase": "Running",
    "reason": "Running",
    "message": "Ready",
    "podName": "demo-1",
    "nodeName": "node1",
    "image": "example.com/kernel:1",
    "restartCount": 3,
    "connection": {"ip": "10.0.0.7"},
}


@pytest.fixture
def running(alone: Kubectl) -> Kubectl:
    """kubectl, with one KernelInstance ``demo`` whose status says that it runs."""
    alone("create", "-f", "-", stdin=json.dumps(DEMO))
    alone("patch", "kernel", "demo", "--subresource=status", "--type=merge", "-p", json.dumps({"status": STATUS}))
    return alone


def rows(printed: str) -> list[list[str]]:
    return [line.split() for line in printed.splitlines()]


def test_get_shows_phase_reason_kernel_restarts_and_age(running: Kubectl) -> None:
    header, row = rows(running.text("get", "kernels"))
    assert header == ["NAME", "PHASE", "REASON", "KERNEL", "RESTARTS", "AGE"]
    assert row[:-1] == ["demo", "Running", "Running", "python3", "3"]  # the age depends on the clock


def test_wide_adds_what_helps_with_a_kernel_that_runs_or_does_not(running: Kubectl) -> None:
    header, row = rows(running.text("get", "kernels", "-o", "wide"))
    assert header[6:] == ["POD", "NODE", "IMAGE", "IP", "TEMPLATE", "MEMORY", "LIMIT", "START", "MESSAGE"]
    assert row[6:] == ["demo-1", "node1", "example.com/kernel:1", "10.0.0.7", "Ready"]


def test_every_name_of_the_kind_works(running: Kubectl) -> None:
    words = ["ki", "kernel", "kernels", "kernelinstance", "kernelinstances", "jupyter"]
    answers = {word: running.text("get", word, "-o", "name") for word in words}
    assert answers == dict.fromkeys(words, "kernelinstance.kubernel.dev/demo")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("spec.kernel.name", "python3"),
        ("spec.lifecycle.leaseName", "jupyter-alice"),
        ("status.phase", "Running"),
        ("status.podName", "demo-1"),
        ("status.nodeName", "node1"),
    ],
)
def test_the_server_filters_by_field(running: Kubectl, field: str, value: str) -> None:
    assert (
        running.text("get", "kernels", "-o", "name", f"--field-selector={field}={value}")
        == "kernelinstance.kubernel.dev/demo"
    )
    assert running.text("get", "kernels", "-o", "name", f"--field-selector={field}!={value}") == ""


def test_explain_gives_prose(kubectl: Kubectl) -> None:
    explained = " ".join(kubectl.text("explain", "kernel.spec.image").split())
    assert "Container image with a Jupyter kernel in it; nothing else is needed in it." in explained
