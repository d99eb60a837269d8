"""What a notebook user reads of a kernel that did not start, or has ended: for every reason, whatever its sentence."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubernel_api.conditions import Reason
from kubernel_provisioner.launch.explaining import Explanation, explain_end, explain_start, explain_suspension
from kubernel_provisioner.launch.subject import Subject
from kubernel_provisioner.words import COLUMNS

ID = "3f2a1b2c-0d1e-4f5a-8b6c-7d8e9fa0b1c2"
NAME = f"k-{ID}"
SPECS: list[dict[str, Any]] = [
    {},
    {"resources": {"limits": {"memory": "300Mi", "cpu": "2", "nvidia.com/gpu": "8"}}, "lifecycle": {}},
    {"resources": {"limits": {"memory": "odd"}}, "lifecycle": {"startDeadlineSeconds": 20, "idleTimeoutSeconds": 60}},
]
SENTENCES = [
    "",
    "No.",
    f"Pod {NAME}-1 was evicted. The node was low on resource: memory.",
    f'Pod refused: pods "{NAME}-1" is forbidden: exceeded quota: few, requested: pods=1, used: pods=4, limited: pods=4',
    "The pod cannot be scheduled: 0/3 nodes are available: 3 Insufficient nvidia.com/gpu.",
    "The pod cannot be scheduled: 0/3 nodes are available: 3 Insufficient memory. Given up after 300 s.",
    "The kernel ended with exit code 1. Its last output:\nTraceback (most recent call last):\n"
    "  File 'x.py', line 1\nModuleNotFoundError: No module named 'ipykernel_launcher'",
    "word " * 200,
]
SUBJECTS = [
    Subject(NAME, "kernels", "kubectl", "science"),
    Subject(NAME, "a-namespace", "kubectl --kubeconfig /home/me/.kube/other --context prod", ""),
]
# Kubernetes' names for our options; a notebook's user has a kernelspec.
YAML = re.compile(r"\bspec\.")


def check(text: str, reason: str) -> None:
    """What holds for all of them."""
    lines = text.splitlines()
    assert lines
    assert all(len(line) <= COLUMNS for line in lines), text
    assert ID not in lines[0], text
    assert not lines[0].startswith("Kernel "), text
    assert not YAML.search(text), text
    assert not reason or reason in " ".join(lines), text
    assert any(line.startswith("More: kubernel ") for line in lines), text


@pytest.mark.parametrize("reason", ["", *Reason])
@pytest.mark.parametrize("subject", SUBJECTS, ids=["kernelspec", "elsewhere"])
def test_every_reason(reason: str, subject: Subject) -> None:
    for message in SENTENCES:
        for spec in SPECS:
            check(str(explain_start(subject, reason, message, spec)), reason)
            check(str(explain_start(subject, reason, message, spec, "Unschedulable")), reason)
            ended = {"exit": {"reason": reason, "message": message}}
            check(str(explain_end(subject, ended, spec, gone=False)), reason)
            check(str(explain_end(subject, {"reason": reason, "message": message}, spec, gone=False)), reason)


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["C"]), max_size=300), st.sampled_from(Reason))
def test_any_sentence(message: str, reason: Reason) -> None:
    words = [word for word in message.split() if len(word) < COLUMNS // 2]  # longer ones are kept whole
    explained = explain_start(SUBJECTS[0], reason, " ".join(words), SPECS[1])
    assert all(len(line) <= COLUMNS for line in str(explained).splitlines())
    assert reason in explained.sentence


def start(reason: str, message: str, spec: dict[str, Any] = SPECS[1], waited_for: str = "") -> Explanation:
    return explain_start(SUBJECTS[0], reason, message, spec, waited_for)


def test_no_room() -> None:
    """Cause, how long it was waited for, what to ask for instead, and where there is more."""
    message = (
        "The pod cannot be scheduled: 0/3 nodes are available: 3 Insufficient nvidia.com/gpu. Given up after 300 s."
    )
    assert str(start("StartTimeout", message, waited_for="Unschedulable")) == (
        "The pod cannot be scheduled: 0/3 nodes are available: 3 Insufficient nvidia.com/gpu\n"
        "(StartTimeout, Unschedulable).\n"
        "Given up after 300 s.\n"
        "Try: kubernel install --name science --gpu 4 --update\n"
        f"More: kubernel events {NAME} -n kernels"
    )


def test_what_was_waited_for_is_no_news_of_an_end() -> None:
    assert start("OOMKilled", "Too much.", waited_for="KernelStarting").what == "Too much (OOMKilled)."


def test_a_crash_with_output() -> None:
    message = (
        "The kernel ended with exit code 1. Its last output:\n/usr/bin/python3: No module named ipykernel_launcher"
    )
    assert str(start("KernelCrashed", message)) == (
        "The kernel ended with exit code 1 (KernelCrashed).\n"
        "Its last output:\n"
        "/usr/bin/python3: No module named ipykernel_launcher\n"
        "Try: kubernel install --name science --image IMAGE --update\n"
        f"More: kubernel events {NAME} -n kernels"
    )


def test_memory_of_a_kernel_that_worked() -> None:
    """What helps the kernel itself, which is restarted, and what helps those after it."""
    ended = {"exit": {"reason": "OOMKilled", "message": "The kernel used more memory than its limit of 300Mi."}}
    assert str(explain_end(SUBJECTS[0], ended, SPECS[1], gone=False)) == (
        "The kernel used more memory than its limit of 300Mi (OOMKilled).\n"
        "Try: kubernel install --name science --memory 600Mi --update\n"
        f"More: kubernel resize {NAME} -n kernels --memory 600Mi"
    )


@pytest.mark.parametrize(
    ("reason", "message", "command"),
    [
        ("OOMKilled", "", "kubernel install --name science --memory 600Mi --update"),
        ("Unschedulable", "1 Insufficient cpu", "kubernel install --name science --cpu 1000m --update"),
        ("Unschedulable", "1 Insufficient memory", "kubernel install --name science --memory 150Mi --update"),
        ("Unschedulable", "didn't match Pod's node affinity", ""),
        ("QuotaExceeded", "", "kubernel ps -n kernels; end some, or ask for less"),
        ("ImagePullFailed", "", "kubernel install --name science --image IMAGE --update"),
        ("TemplateNotFound", "", "kubernel templates; then kubernel install --name science --template NAME --update"),
        ("StartTimeout", "", "kubernel install --name science --start-deadline 600 --update"),
        ("IdleTimeout", "", "kubernel install --name science --idle-timeout 7200 --update"),
        ("VolumePending", "", "kubectl get pvc -n kernels"),
        ("NodeLost", "", ""),
    ],
)
def test_remedies(reason: str, message: str, command: str) -> None:
    assert start(reason, message).command == command


def test_a_kernelspec_of_somebody_else() -> None:
    explained = explain_start(SUBJECTS[1], "OOMKilled", "", SPECS[1])
    assert explained.command == "KUBERNEL_MEMORY=600Mi, or memory in kernel.json"


def test_one_that_was_deleted() -> None:
    assert explain_end(SUBJECTS[0], {"phase": "Running"}, {}, gone=True).what.endswith("was deleted.")


@pytest.mark.parametrize("subject", SUBJECTS, ids=["kernelspec", "elsewhere"])
@pytest.mark.parametrize("name", [f"{NAME} -n kernels", "NAME"], ids=["this-operator", "an-older-one"])
def test_one_that_stands_still(subject: Subject, name: str) -> None:
    """The commands are for this very kernel and cluster, and nothing is said of fields."""
    paused = f"The kernel is paused: it goes on with kubernel resume {name}, or spec.suspend: false."
    assert explain_suspension(subject, paused) == f"The kernel is paused: it goes on with {subject.kubernel('resume')}."
    short = f"Give it more: kubernel resize {name} --memory AMOUNT. It goes on as spec.memory.whenFull says."
    more = subject.kubernel("resize", "--memory AMOUNT")
    assert explain_suspension(subject, short) == f"Give it more: {more}. It goes on as memory_when_full says."
