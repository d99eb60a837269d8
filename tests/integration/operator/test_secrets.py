"""The connection key, the token and the operator's own key are where they belong, and nowhere else."""

import base64
import json

from kubernel_api.constants import ANNOTATION_WOKEN, POD_SECRET_TYPE, SECRET_TOKEN, SECRET_TYPE
from kubernel_wire.keys import connection_secret, new_keys

from .conftest import Place


def test_secrets_stay_in_secrets(place: Place) -> None:
    """After a start, a restart, a crash and a refusal, with a log at DEBUG level."""
    kernels = place.kernels
    kernel = kernels.start(connection={"encryption": "Auto"})
    clients, pods = kernel.secret(SECRET_TYPE), kernel.secret(POD_SECRET_TYPE)
    assert (set(clients["data"]), SECRET_TOKEN in pods["data"]) == ({"key", "curve_publickey", "curve_secretkey"}, True)
    kernel.restart(1)
    kernel.ready(1)
    kernel.do("os._exit(1)")
    kernel.exited()
    other = kernels.create(image="localhost/kubernel/none:1")
    other.reason("ImagePullFailed")
    own = kernels.api.request("GET", kernels.path("secrets", "kubernel-operator"))
    hidden = {name: clients["data"][name] for name in ("key", "curve_secretkey")}
    hidden["token"] = pods["data"][SECRET_TOKEN]
    hidden["operator key"] = own["data"]["key"]
    places = {
        "operator log": place.log(),
        **{
            resource: json.dumps(kernels.api.request("GET", kernels.path(resource)))
            for resource in ("pods", "events", "services", "configmaps")
        },
        "kernelinstances": json.dumps(kernels.api.request("GET", kernels.instance_path())),
    }
    found = [
        f"{name} in {where}"
        for name, encoded in hidden.items()
        for where, text in places.items()
        for form in (encoded, base64.b64decode(encoded).hex(), base64.b64decode(encoded).decode(errors="replace"))
        if form in text
    ]
    assert found == []
    assert kernel.name in places["operator log"]
    assert kernel.name in places["pods"]


def test_a_secret_that_comes_after_its_pod_is_found_at_once(place: Place) -> None:
    """A client that is far away makes it a moment later; the kubelet alone would look again after 10 to 15 s."""
    kernel = place.kernels.create(connection={"service": "None", "keyFrom": "Client"})

    def misses() -> bool:
        pods = kernel.children("pods")
        return bool(pods) and "not found" in str(pods[0]["status"].get("containerStatuses"))

    kernel.wait("the kubelet to miss it", misses)
    secret = connection_secret(kernel.get(), new_keys(encrypted=False))
    place.api.request("POST", place.kernels.path("secrets"), secret)
    kernel.ready()
    (pod,) = kernel.children("pods")
    assert ANNOTATION_WOKEN in pod["metadata"]["annotations"]
    assert 1 <= place.log().count(f"have the kubelet look at pod {pod['metadata']['name']} again") <= 3
