"""Names of the API that appear on the wire: group, kind, labels, ports, Secret keys."""

# ruff: noqa: S105 - names of keys, not keys

from __future__ import annotations

from typing import Final

GROUP: Final = "kubernel.dev"
VERSION: Final = "v1beta1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
KIND: Final = "KernelInstance"
PLURAL: Final = "kernelinstances"
SINGULAR: Final = "kernelinstance"
SHORT_NAMES: Final = ("ki", "kernel", "kernels")
CATEGORY: Final = "jupyter"
TEMPLATE_KIND: Final = "KernelTemplate"
TEMPLATE_PLURAL: Final = "kerneltemplates"
TEMPLATE_SINGULAR: Final = "kerneltemplate"
TEMPLATE_SHORT_NAMES: Final = ("kt",)
POOL_KIND: Final = "KernelPool"
POOL_PLURAL: Final = "kernelpools"
POOL_SINGULAR: Final = "kernelpool"
POOL_SHORT_NAMES: Final = ("kp",)

# A name becomes a label value, a host name and, with a suffix of up to 11 characters, the names of its children.
NAME_MAX_LENGTH: Final = 52

# A pool's name begins those of its members, which are label values and, in Services, host names.
POOL_NAME_MAX_LENGTH: Final = 45

# Labels. Those under our own prefix belong to the operator and the provisioner.
LABEL_MANAGED_BY: Final = "app.kubernetes.io/managed-by"
LABEL_MANAGED_BY_VALUE: Final = "kubernel"
LABEL_COMPONENT: Final = "app.kubernetes.io/component"
LABEL_COMPONENT_VALUE: Final = "kernel"
LABEL_COMPONENT_SUPERVISOR: Final = "supervisor"  # on the ConfigMap that the kernels of a namespace share
LABEL_INSTANCE: Final = f"{GROUP}/instance"  # on Pod, Service and Secret: the name of the KernelInstance
LABEL_KERNEL_ID: Final = f"{GROUP}/kernel-id"  # on the KernelInstance and its Pod: the Jupyter kernel id
LABEL_SERVER: Final = f"{GROUP}/server"  # on the KernelInstance and the Lease: the process that created it
LABEL_OWNER: Final = f"{GROUP}/owner"  # on the KernelInstance: spec.owner, hashed where it is no label value
ANNOTATION_INCARNATION: Final = f"{GROUP}/incarnation"  # on the Pod: its number, 1 for the first one
ANNOTATION_RESTART_GENERATION: Final = f"{GROUP}/restart-generation"  # on the Pod: the one it was created for
ANNOTATION_IDLE_TIMEOUT: Final = f"{GROUP}/idle-timeout-seconds"  # on the Pod: what holds where spec has none
ANNOTATION_GENERATION: Final = f"{GROUP}/generation"  # on the Pod: metadata.generation that its spec was made from
ANNOTATION_STARTUP_CPU: Final = f"{GROUP}/startup-cpu"  # on the Pod: the CPU limit of its start, and the one after it
ANNOTATION_WOKEN: Final = f"{GROUP}/woken"  # on the Pod: when its kubelet was last made to try again
ANNOTATION_SUPERVISOR: Final = f"{GROUP}/supervisor"  # on the Pod: the ConfigMap that its supervisor comes from
LABEL_POOL: Final = f"{GROUP}/pool"  # on a Pod that waits in a KernelPool: the pool's name; gone once it is claimed
LABEL_MEMBER: Final = f"{GROUP}/member"  # on Pods and Services that come from a pool: the name of the pool's Pod
ANNOTATION_POOL: Final = f"{GROUP}/pool"  # on the Pod: the pool that it comes from, for ever
ANNOTATION_SHAPE: Final = f"{GROUP}/shape"  # on the Pod of a pool: hash of what it was made from
ANNOTATION_SESSION: Final = f"{GROUP}/session"  # on the KernelInstance: the notebook's path, for people
# On the KernelInstance, for a Jupyter server that finds it again: {"kernel_id", "kernel_name", "session"} as JSON.
ANNOTATION_JUPYTER: Final = f"{GROUP}/jupyter"

KERNEL_CONTAINER: Final = "kernel"  # in the Pod; every other container is somebody else's
# Kueue's label: the queue that a pod waits in while Kueue's scheduling gate is on it.
LABEL_KUEUE_QUEUE: Final = "kueue.x-k8s.io/queue-name"

SECRET_TYPE: Final = f"{GROUP}/connection"
# Keys in the connection Secret: what a client needs.
SECRET_KEY: Final = "key"
SECRET_CURVE_PUBLICKEY: Final = "curve_publickey"
SECRET_CURVE_SECRETKEY: Final = "curve_secretkey"
# And in the pod's own, all of which its container gets as variables: names of those.
POD_SECRET_TYPE: Final = f"{GROUP}/pod"
SECRET_TOKEN: Final = "KUBERNEL_TOKEN"
SECRET_BOOTSTRAP: Final = "KUBERNEL_BOOTSTRAP"
#: Variables with what a client's Secret has, by its keys; in the pod's own, too, where the client has sealed them.
KEY_VARIABLES: Final = {
    SECRET_KEY: "KUBERNEL_KEY",
    SECRET_CURVE_PUBLICKEY: "KUBERNEL_CURVE_PUBLICKEY",
    SECRET_CURVE_SECRETKEY: "KUBERNEL_CURVE_SECRETKEY",
}
# And in the ConfigMap that the kernels of a namespace share.
CONFIG_MAP_SUPERVISOR: Final = "supervisor.py"

# The five ports of every kernel, in its own network namespace, and the supervisor's. Below 32768, where Linux takes
# its ephemeral ports from: a kernel that restarts would otherwise find one held by user code (EADDRINUSE).
PORTS: Final = {"shell": 18881, "iopub": 18882, "stdin": 18883, "control": 18884, "hb": 18885}
CONTROL_PORT: Final = 18886  # the supervisor's; not Jupyter's control channel

# Written by the supervisor (mode 0600) before it starts the kernel; what ``{connection_file}`` in argv becomes.
CONNECTION_FILE: Final = "/tmp/kubernel/connection.json"  # noqa: S108 - the container's own /tmp
DEFAULT_ARGV: Final = ("python3", "-m", "ipykernel_launcher", "-f", "{connection_file}")
SIGNATURE_SCHEME: Final = "hmac-sha256"
TRANSPORT: Final = "tcp"

# Seconds a supervisor waits for a restart after its kernel has ended, before the container ends with its exit code.
RESTART_GRACE_SECONDS: Final = 30
