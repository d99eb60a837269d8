"""The connection key, the token and the operator's own key are where they belong, and nowhere else."""

import base64
import json

from kubernel_api.constants import POD_SECRET_TYPE, SECRET_TYPE

from .conftest import Place


def test_secrets_stay_in_secrets(place: Place) -> None:
    """After a start, a restart, a crash and a refusal, with a log at DEBUG level."""
    kernels = place.kernels
    kernel = kernels.start(connection={"encryption": "Auto"})
    clients, pods = kernel.secret(SECRET_TYPE), kernel.secret(POD_SECRET_TYPE)
    assert (set(clients["data"]), "token" in pods["data"]) == ({"key", "curve_publickey", "curve_secretkey"}, True)
    kernel.restart(1)
    kernel.ready(1)
    kernel.do("os._exit(1)")
    kernel.exited()
    other = kernels.create(image="localhost/kubernel/none:1")
    other.reason("ImagePullFailed")
    own = kernels.api.request("GET", kernels.path("secrets", "kubernel-operator"))
    hidden = {name: clients["data"][name] for name in ("key", "curve_secretkey")}
    hidden["token"] = pods["data"]["token"]
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
