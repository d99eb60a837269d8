"""Whatever happens on the way, in the end there is one kernel, or none and a word about why.

A cluster in memory, a kubelet and a supervisor played by the test, and an operator that is killed, cut off and made to
believe old news at any moment.
"""

import contextlib
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.fake_cluster import Request
from fixtures.objects import NOW, POD_SECRET, cr
from fixtures.operator_world import World
from kubernel_api.conditions import ConditionType, is_true
from kubernel_cluster.errors import ClusterError
from kubernel_operator.observe.pod_facts import pod_facts
from kubernel_wire.callback import Callback

SECRET = "ns/k1-0123abcd45"
QUIET_PASSES, QUIET_SECONDS = 15, 4  # together longer than the grace after an end


class Story:
    """A cluster in which things happen to one KernelInstance, k1."""

    def __init__(self, service: str) -> None:
        self.world = World()
        self.sequence = 0
        self.faults: list[str] = []
        self.world.cluster.fault = self._fault
        self.world.apply(cr(created=NOW, connection={"service": service}, lifecycle={"startDeadlineSeconds": 3600}))

    def _fault(self, request: Request) -> str:
        return self.faults.pop() if self.faults and request[0] in {"create", "delete", "patch"} else ""

    # What may happen.

    def reconcile(self) -> None:
        """The operator looks at it."""
        with contextlib.suppress(ClusterError):
            self.world.reconcile()

    def watch(self) -> None:
        """The watches catch up."""
        self.world.watch()

    def kill(self) -> None:
        """The operator is killed and starts again; it lists everything."""
        self.world.start_operator()

    def refuse(self) -> None:
        """The next write is not carried out."""
        self.faults.append("refused")

    def lose(self) -> None:
        """The next write is carried out, its answer is lost."""
        self.faults.append("lost")

    def run_pods(self) -> None:
        """The kubelet starts what is to run, and says so."""
        for pod in self.world.pods():
            if pod["status"]["phase"] == "Pending":
                ip = f"10.0.0.{pod_facts(pod).incarnation}"
                generation = int(pod["metadata"]["annotations"]["kubernel.dev/restart-generation"])
                self.world.supervisors.status[ip] = {"state": "starting", "generation": generation, "age": 0, "ip": ip}
                self.world.change_pod(
                    pod, phase="Running", podIP=ip, containerStatuses=[{"name": "kernel", "state": {"running": {}}}]
                )

    def become_ready(self) -> None:
        """Kernels open their ports; nobody is told."""
        for supervisor in self.world.supervisors.status.values():
            if supervisor["state"] == "starting":
                supervisor["state"] = "running"

    def crash(self) -> None:
        """The newest kernel ends; nobody is told."""
        if supervisor := self._newest_supervisor():
            supervisor.update(state="exited", exitCode=1)

    def call_back(self) -> None:
        """The newest supervisor says what is."""
        pod, supervisor = self._newest_pod(), self._newest_supervisor()
        if pod is not None and supervisor is not None:
            self.sequence += 1
            callback = Callback.model_validate(
                {
                    **supervisor,
                    "secret": SECRET,
                    "pod": pod["metadata"]["name"],
                    "boot": pod["metadata"]["name"],
                    "sequence": self.sequence,
                    "age": 0,
                }
            )
            self.world.reconciler.take_callback(callback)

    def restart(self) -> None:
        """The user wants a restart."""
        instance = self.world.instance()
        generation = instance["spec"].get("restartGeneration", 0) + 1
        self.world.apply({**instance, "spec": {**instance["spec"], "restartGeneration": generation}})

    def take_pods_away(self) -> None:
        """Somebody deletes all pods."""
        for pod in self.world.pods():
            self.world.supervisors.status.pop(pod["status"].get("podIP", ""), None)
            self.world.cluster.remove(f"/api/v1/namespaces/ns/pods/{pod['metadata']['name']}")

    def wait(self) -> None:
        """Time passes."""
        self.world.now += 3

    def _newest_pod(self) -> dict[str, Any] | None:
        return max(self.world.pods(), key=lambda pod: pod_facts(pod).incarnation, default=None)

    def _newest_supervisor(self) -> dict[str, Any] | None:
        pod = self._newest_pod()
        return self.world.supervisors.status.get(pod["status"].get("podIP", "")) if pod else None

    # How it ends.

    def come_to_rest(self) -> None:
        """Everything works again; time passes."""
        self.faults.clear()
        for _ in range(QUIET_PASSES):
            self.watch()
            self.reconcile()
            self.run_pods()
            self.become_ready()
            self.world.now += QUIET_SECONDS

    def names(self, resource: str) -> list[str]:
        """Names of all objects of a kind."""
        return [p.rsplit("/", 1)[-1] for p in self.world.cluster.objects if p.split("/")[-2] == resource]


HAPPENINGS = (
    "reconcile",
    "reconcile",
    "watch",
    "watch",
    "kill",
    "refuse",
    "lose",
    "run_pods",
    "become_ready",
    "call_back",
    "crash",
    "restart",
    "take_pods_away",
    "wait",
)


@given(st.lists(st.sampled_from(HAPPENINGS), max_size=40), st.sampled_from(["ClusterIP", "None"]))
@settings(deadline=None, max_examples=60)
def test_any_story_ends_well(happenings: list[str], service: str) -> None:
    story = Story(service)
    for happening in happenings:
        getattr(story, happening)()
    story.come_to_rest()
    instance = story.world.instance()
    status = instance["status"]
    if is_true(status, ConditionType.FINISHED):
        assert status["exit"]["reason"] in {"KernelCrashed", "PodDeleted"}
        assert story.names("pods") == []
    else:
        assert sorted(story.names("secrets")) == ["k1-0123abcd45", POD_SECRET]
        assert story.names("services") == (["kernel-k1"] if service == "ClusterIP" else [])
        assert status["phase"] == "Running"
        assert status["restartGeneration"] == instance["spec"].get("restartGeneration", 0)
        assert story.names("pods") == [status["podName"]]
    writes = len(story.world.cluster.writes())
    story.come_to_rest()
    assert len(story.world.cluster.writes()) == writes, "at rest, nothing is written"


@given(st.lists(st.sampled_from(HAPPENINGS), max_size=40))
@settings(deadline=None, max_examples=60)
def test_the_key_of_a_kernel_never_changes(happenings: list[str]) -> None:
    story = Story("ClusterIP")
    keys = set()
    for happening in happenings:
        getattr(story, happening)()
        found = (o["stringData"] for p, o in story.world.cluster.objects.items() if "/secrets/" in p)
        keys |= {data["key"] for data in found if "key" in data}
    assert len(keys) <= 1
