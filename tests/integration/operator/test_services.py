"""A kernel keeps its address, whatever happens to its Service."""

from .conftest import Place


def test_a_deleted_service_is_made_again_at_its_address(place: Place) -> None:
    kernel = place.kernels.start(connection={"service": "ClusterIP"})
    address = kernel.status["connection"]["ip"]
    (service,) = kernel.children("services")
    uid = service["metadata"]["uid"]
    place.kernels.api.request("DELETE", place.kernels.path("services", service["metadata"]["name"]))
    kernel.wait("a Service again", lambda: any(s["metadata"]["uid"] != uid for s in kernel.children("services")))
    (again,) = kernel.children("services")
    assert again["spec"]["clusterIP"] == address
    status = kernel.reason("Running")
    assert (status["phase"], status["connection"]["ip"]) == ("Running", address)
    kernel.wait("both Events", lambda: [e["reason"] for e in kernel.events()] == ["ConnectionLost", "Running"])
