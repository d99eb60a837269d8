"""A pool's pods: what they are made from, and how one becomes a KernelInstance's own. Pure."""

from __future__ import annotations

from kubernel_api.children import child_metadata, pod_labels
from kubernel_api.constants import (
    ANNOTATION_GENERATION,
    ANNOTATION_IDLE_TIMEOUT,
    ANNOTATION_INCARNATION,
    ANNOTATION_POOL,
    ANNOTATION_RESTART_GENERATION,
    ANNOTATION_SHAPE,
    API_VERSION,
    LABEL_COMPONENT,
    LABEL_COMPONENT_VALUE,
    LABEL_MANAGED_BY,
    LABEL_MANAGED_BY_VALUE,
    LABEL_MEMBER,
    LABEL_POOL,
    POD_SECRET_TYPE,
    POOL_KIND,
)
from kubernel_api.names import member_subject, pod_name, service_name
from kubernel_operator.observe.facts import Json, part
from kubernel_operator.observe.pool_facts import PoolFacts
from kubernel_operator.observe.template_facts import TemplateFacts
from kubernel_operator.settings import Settings
from kubernel_wire.callback import pod_secret_mark, token
from kubernel_wire.control import Binding

from .fit import shape_of
from .pod import STAYS, build_pod, command_of
from .secret import pods_variables, qualified_secret_name
from .service import service_spec
from .shape import bounds_for, implied_idle_timeout, shaped

_SAFE_TO_EVICT = "cluster-autoscaler.kubernetes.io/safe-to-evict"


def build_member(
    pool: PoolFacts,
    name: str,
    settings: Settings,
    *,
    operator_key: bytes,
    callback_url: str | None,
    supervisor_map: str,
    template: TemplateFacts | None,
) -> Json:
    """A pod that waits.

    Args:
        pool: whose member it is.
        name: of the pod.
        settings: the operator's defaults.
        operator_key: the name of its Secret derives from it.
        callback_url: where the supervisor reports, or None.
        supervisor_map: name of the ConfigMap with the supervisor.
        template: the pool's; None for none.
    """
    owner = {
        "apiVersion": API_VERSION,
        "kind": POOL_KIND,
        "name": pool.name,
        "uid": pool.uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }
    metadata = {
        "name": name,
        "namespace": pool.namespace,
        "labels": {**_labels(name), LABEL_POOL: pool.name},
        "annotations": {
            ANNOTATION_INCARNATION: "0",
            ANNOTATION_GENERATION: str(pool.generation),
            ANNOTATION_POOL: pool.name,
            ANNOTATION_SHAPE: shape_of(pool.kernel_spec, settings, template, supervisor_map).digest,
            _SAFE_TO_EVICT: "true",
        },
        "ownerReferences": [owner],
    }
    cr = {"metadata": {"name": name, "namespace": pool.namespace, "uid": pool.uid}, "spec": pool.kernel_spec}
    return build_pod(
        cr,
        settings,
        incarnation=0,
        callback_url=callback_url,
        pod_secret=member_secret_name(pool.namespace, name, operator_key),
        supervisor_map=supervisor_map,
        template=template,
        member=metadata,
    )


def member_secret_name(namespace: str, member: str, operator_key: bytes) -> str:
    """The Secret that only that pod names."""
    return f"{member}-{pod_secret_mark(operator_key, member_subject(namespace, member))}"


def build_member_secret(pod: Json, operator_key: bytes, supervisor: str) -> Json:
    """A member's own Secret, which goes when its pod goes.

    Args:
        pod: as the API server has it.
        operator_key: derives its token.
        supervisor: source of the supervisor that it is to execute, and no other.
    """
    namespace, member = pod["metadata"]["namespace"], pod["metadata"]["name"]
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": _of_pod(pod, member_secret_name(namespace, member, operator_key)),
        "type": POD_SECRET_TYPE,
        "immutable": True,
        "stringData": pods_variables(token(operator_key, member_subject(namespace, member)), supervisor),
    }


def build_member_service(pod: Json, kind: str) -> Json:
    """A member's Service, whose address is known to all nodes before there is a kernel.

    Args:
        pod: as the API server has it.
        kind: ClusterIP or Headless.
    """
    member = pod["metadata"]["name"]
    selector = {LABEL_MANAGED_BY: LABEL_MANAGED_BY_VALUE, LABEL_MEMBER: member}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _of_pod(pod, service_name(member)),
        "spec": service_spec(selector, "None" if kind == "Headless" else None),
    }


def claim_of_pod(
    cr: Json, settings: Settings, template: TemplateFacts | None, *, pod_uid: str, pool_uid: str, age: float
) -> list[Json]:
    """The JSON patch that makes a member the first pod of a KernelInstance, if nobody else has taken it.

    The tests of a JSON patch are made on the object as it is stored: what the kubelet writes meanwhile does no harm, as
    it would with a resourceVersion.

    Args:
        cr: the KernelInstance.
        settings: the operator's.
        template: that of the KernelInstance.
        pod_uid: the member's.
        pool_uid: of its KernelPool.
        age: seconds since it was made.
    """
    spec = cr["spec"]
    child = child_metadata(cr, pod_name(cr["metadata"]["name"], 1))
    idle_timeout = implied_idle_timeout(settings, template)
    deadline = bounds_for(settings, template).max_active_deadline_seconds
    annotations = {
        ANNOTATION_INCARNATION: "1",
        ANNOTATION_RESTART_GENERATION: str(spec.get("restartGeneration") or 0),
        ANNOTATION_GENERATION: str(cr["metadata"].get("generation") or 1),
        **_stays(template),
        **({ANNOTATION_IDLE_TIMEOUT: str(idle_timeout)} if idle_timeout else {}),
    }
    return [
        *_still(pod_uid, pool_uid),
        {"op": "replace", "path": "/metadata/ownerReferences", "value": child["ownerReferences"]},
        {"op": "remove", "path": f"/metadata/labels/{_pointer(LABEL_POOL)}"},
        *_added("labels", child["labels"] | pod_labels(cr)),
        *_added("annotations", annotations),
        *([{"op": "add", "path": "/spec/activeDeadlineSeconds", "value": int(age) + deadline}] if deadline else []),
    ]


def _stays(template: TemplateFacts | None) -> dict[str, str]:
    """What keeps the pod from being moved, where its template has no word of its own on that."""
    said = part(part(template.pod, "metadata"), "annotations") if template else {}
    return {name: value for name, value in STAYS.items() if name not in said}


def claim_of_service(cr: Json, *, service_uid: str, pod_uid: str) -> list[Json]:
    """The JSON patch that makes a member's Service the KernelInstance's; its selector fits as it is."""
    child = child_metadata(cr, "")
    return [
        *_still(service_uid, pod_uid),
        {"op": "replace", "path": "/metadata/ownerReferences", "value": child["ownerReferences"]},
        *_added("labels", child["labels"]),
    ]


def binding_of(cr: Json, settings: Settings, template: TemplateFacts | None) -> Binding:
    """What a claimed member is told beside its keys."""
    spec = shaped(cr["spec"], settings, template)
    return Binding(
        argv=command_of(spec),
        kernel_name=str(spec["kernel"].get("name") or ""),
        encryption=spec["connection"]["encryption"],
        env={each["name"]: each.get("value", "") for each in spec["env"]},
        working_dir=spec["workingDir"] or "",
        generation=int(spec.get("restartGeneration") or 0),
        idle_timeout_seconds=part(spec, "lifecycle").get("idleTimeoutSeconds")
        or implied_idle_timeout(settings, template),
    )


def token_subject(cr: Json, pod: Json) -> str:
    """What the token of a KernelInstance's pod is derived from."""
    metadata = pod["metadata"]
    if (metadata.get("annotations") or {}).get(ANNOTATION_POOL):
        return member_subject(metadata["namespace"], metadata["name"])
    return qualified_secret_name(cr)


def _still(uid: str, owner_uid: str) -> list[Json]:
    return [
        {"op": "test", "path": "/metadata/uid", "value": uid},
        {"op": "test", "path": "/metadata/ownerReferences/0/uid", "value": owner_uid},
    ]


def _added(field: str, values: dict[str, str]) -> list[Json]:
    return [{"op": "add", "path": f"/metadata/{field}/{_pointer(name)}", "value": v} for name, v in values.items()]


def _pointer(name: str) -> str:
    """A name inside a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


def _labels(member: str) -> dict[str, str]:
    return {
        LABEL_MANAGED_BY: LABEL_MANAGED_BY_VALUE,
        LABEL_COMPONENT: LABEL_COMPONENT_VALUE,
        LABEL_MEMBER: member,
    }


def _of_pod(pod: Json, name: str) -> Json:
    metadata = pod["metadata"]
    owner = {
        "apiVersion": "v1",
        "kind": "Pod",
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
        "blockOwnerDeletion": False,
    }
    return {
        "name": name,
        "namespace": metadata["namespace"],
        "labels": _labels(metadata["name"]),
        "ownerReferences": [owner],
    }
