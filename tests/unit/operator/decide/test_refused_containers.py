"""Which words of registries and nodes are a verdict, and when they are believed."""

import pytest

from fixtures.objects import NOW, SETTINGS, cr, pod, seen
from kubernel_api.conditions import Reason
from kubernel_operator.decide.refused_containers import (
    CREATION_BELIEVED_SECONDS,
    PULL_BELIEVED_SECONDS,
    believed_at,
    is_verdict,
    refused_container,
    registrys_words,
)
from kubernel_operator.decide.situation import situation
from kubernel_operator.decide.status import build_status
from kubernel_operator.observe.kernel_facts import kernel_facts
from kubernel_operator.observe.pod_facts import pod_facts

IMAGE = "registry.example.org/team/kernel:1"
PULL = f'failed to pull and unpack image "{IMAGE}": failed to resolve reference "{IMAGE}": '


@pytest.mark.parametrize(
    "words",
    [
        f"{PULL}{IMAGE}: not found",
        f"rpc error: code = NotFound desc = {PULL}{IMAGE}: not found",
        f"{PULL}pull access denied, repository does not exist or may require authorization: server message: "
        "insufficient_scope: authorization failed",
        f"{PULL}unexpected status from HEAD request to https://registry.example.org/v2/team/kernel/manifests/1: "
        "401 Unauthorized",
        f"{PULL}unexpected status from HEAD request to https://registry.example.org/v2/team/kernel/manifests/1: "
        "403 Forbidden",
        "reading manifest 1 in registry.example.org/team/kernel: manifest unknown",
        "initializing source docker://x: reading manifest 1: requested access to the resource is denied",
        "Head https://registry.example.org/v2/: no basic auth credentials",
        f'Back-off pulling image "{IMAGE}": ErrImagePull: {PULL}{IMAGE}: not found',
        f"{PULL}no match for platform in manifest: not found",
        f'{PULL}403 Forbidden: denied: Permission "repositories.downloadArtifacts" denied on resource',
    ],
)
def test_verdicts(words: str) -> None:
    assert is_verdict(IMAGE, words)


@pytest.mark.parametrize(
    "words",
    [
        "",
        f'Back-off pulling image "{IMAGE}"',
        f"{PULL}failed to do request: Head https://r/v2/: dial tcp 10.0.0.1:443: connect: connection refused",
        f"{PULL}failed to do request: Head https://r/v2/: dial tcp: lookup r on 10.96.0.10:53: no such host",
        f"{PULL}failed to do request: Head https://r/v2/: dial tcp 10.0.0.1:443: i/o timeout",
        f"{PULL}failed to do request: Head https://r/v2/: context deadline exceeded",
        f"{PULL}unexpected status from HEAD request to https://r/v2/x: 503 Service Unavailable",
        f"{PULL}unexpected status from HEAD request to https://r/v2/x: 429 Too Many Requests",
        "toomanyrequests: You have reached your pull rate limit. denied: too many",
        f"{PULL}failed to authorize: failed to fetch oauth token: unexpected status from GET request to "
        "https://auth/token: 500 Internal Server Error: unauthorized",
        f'failed to pull and unpack image "{IMAGE}": failed to unpack image on snapshotter overlayfs: content digest '
        "sha256:0c18b88b: not found",
        f'failed to pull and unpack image "{IMAGE}": failed to extract layer (application/vnd.oci.image.layer.v1.tar '
        'sha256:0465d356) to overlayfs as "extract-26": failed to get reader from content store: content digest '
        "sha256:5126: not found",
        'copying system image from manifest list: writing blob: adding layer with blob "sha256:9141": access denied',
        f"{PULL}unexpected EOF",
        f"{PULL}net/http: TLS handshake timeout",
    ],
)
def test_what_is_waited_for(words: str) -> None:
    assert not is_verdict(IMAGE, words)


@pytest.mark.parametrize("image", ["r.org/denied:1", "r.org/team/not-found:404", "r.org/x:unauthorized", "denied"])
def test_names_of_images_are_no_words_of_registries(image: str) -> None:
    pull = f'failed to pull and unpack image "{image}": failed to resolve reference "{image}": '
    assert not is_verdict(image, f"{pull}failed to do request: Head https://r.org/v2/: unexpected end")
    assert is_verdict(image, f"{pull}{image}: not found")


@pytest.mark.parametrize("image", ["r.org/timeout:1", "r.org/x:503", "r.org/team/x:rate limit"])
def test_names_of_images_excuse_no_registry(image: str) -> None:
    assert is_verdict(image, f'failed to pull image "{image}": {image}: not found')


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (f"{PULL}{IMAGE}: not found", "not found"),
        (f'Back-off pulling image "{IMAGE}": ErrImagePull: rpc error: code = NotFound desc = {PULL}gone', "gone"),
        (f'failed to pull image "{IMAGE}": Head "https://r/v2/": EOF', 'Head "https://r/v2/": EOF'),
        (f'Back-off pulling image "{IMAGE}"', f'Back-off pulling image "{IMAGE}"'),
        (PULL, PULL),
        ("reading manifest 1: manifest unknown", "reading manifest 1: manifest unknown"),
        ("", ""),
    ],
)
def test_the_image_is_named_once(message: str, words: str) -> None:
    assert registrys_words(IMAGE, message) == words


def waiting(reason: str, message: str) -> dict[str, object]:
    return pod(phase="Pending", ip=None, state={"waiting": {"reason": reason, "message": message}})


@pytest.mark.parametrize(
    ("seconds", "reason", "stalled"),
    [(0, Reason.IMAGE_PULL_FAILED, "False"), (PULL_BELIEVED_SECONDS, Reason.IMAGE_REFUSED, "True")],
)
def test_a_verdict_is_believed_after_a_while(seconds: float, reason: Reason, stalled: str) -> None:
    refused = waiting("ImagePullBackOff", f"{PULL}{IMAGE}: not found")
    assert refused_container(pod_facts(refused)) is not None
    observed = seen(refused, refused_since={"k1-1": NOW - seconds})
    kernel = kernel_facts(cr())
    built = build_status(kernel, situation(kernel, observed, NOW), observed, SETTINGS, NOW)
    assert built["reason"] == reason
    assert [c["status"] for c in built["conditions"] if c["type"] == "Stalled"] == [stalled]
    assert "not found" in built["message"]


def test_another_failure_takes_it_back() -> None:
    busy = waiting("ErrImagePull", f"{PULL}503 Service Unavailable")
    assert refused_container(pod_facts(busy)) is None
    assert believed_at(pod_facts(busy), seen(busy)) is None


def test_an_image_that_arrives_is_no_longer_refused() -> None:
    assert refused_container(pod_facts(pod())) is None


def said(found: dict[str, object], seconds: float) -> tuple[str, str]:
    """Reason, and whether it is stalled, of a pod that was refused for so long."""
    refused = {"k1-1": NOW - seconds} if refused_container(pod_facts(found)) is not None else {}
    observed = seen(found, first_seen=NOW - 100, refused_since=refused)
    kernel = kernel_facts(cr())
    built = build_status(kernel, situation(kernel, observed, NOW), observed, SETTINGS, NOW)
    (stalled,) = [c["status"] for c in built["conditions"] if c["type"] == "Stalled"]
    return built["reason"], stalled


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        pytest.param(
            "CreateContainerConfigError",
            "services have not yet been read at least once, cannot construct envvars",
            id="a node that has just joined",
        ),
        pytest.param("CreateContainerError", "context deadline exceeded", id="busy"),
        pytest.param("CreateContainerError", 'failed to reserve container name "kernel_k1-1": name is', id="still"),
        pytest.param("RunContainerError", "rpc error: code = Unavailable desc = transport is closing", id="containerd"),
    ],
)
def test_passing_troubles_of_a_node_never_stall(reason: str, words: str) -> None:
    assert said(waiting(reason, words), 99) == (Reason.CONTAINER_CREATING, "False")


def test_a_container_that_fails_in_a_new_way_gets_more_than_one_try() -> None:
    odd = waiting("CreateContainerError", 'failed to resolve symlink "/mnt": lstat /mnt: permission denied')
    assert said(odd, CREATION_BELIEVED_SECONDS - 1) == (Reason.CONTAINER_CREATING, "False")
    assert said(odd, CREATION_BELIEVED_SECONDS) == (Reason.CONFIG_ERROR, "True")


def test_a_container_that_never_will_be_made_stalls_at_once() -> None:
    root = waiting("CreateContainerConfigError", "container has runAsNonRoot and image will run as root")
    assert said(root, 0) == (Reason.CONFIG_ERROR, "True")
