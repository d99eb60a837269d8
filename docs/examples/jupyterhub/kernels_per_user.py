"""JupyterHub: each user's kernels run in a namespace of their own, which no other user's server can reach.

Part of the hub's configuration (README.md beside this file). Before a server is spawned there are, for user alice,

- the namespace ``kernels-alice``, where pods pass Pod Security "restricted",
- the ServiceAccount ``notebook-alice`` in the hub's namespace, for her servers alone,
- in ``kernels-alice`` a RoleBinding that lets this account start kernels there, and nothing anywhere else,
- and a NetworkPolicy: her servers and the operator reach her kernels, and nobody else does.

Deleting ``kernels-alice`` deletes all of her kernels. What is there already is left as it is.
"""

import os

from kubernetes_asyncio import client, config
from kubernetes_asyncio.client.exceptions import ApiException
from kubespawner.slugs import safe_slug

#: The ClusterRole that the chart makes with ``clientRole.clusterRole: true``, and where the operator is.
CLIENT_ROLE = os.environ.get("KUBERNEL_CLIENT_ROLE", "kubernel-kubernel-system-client")
OPERATOR_NAMESPACE = os.environ.get("KUBERNEL_OPERATOR_NAMESPACE", "kubernel-system")
HUB_NAMESPACE = os.environ.get("POD_NAMESPACE", "jupyterhub")
OWNER = "hub.jupyter.org/username"


def objects_for(slug):
    """What a user needs: name of the creating method -> body. ``slug`` is the user's name as Kubernetes takes it."""
    namespace, account, labels = f"kernels-{slug}", f"notebook-{slug}", {OWNER: slug}
    restricted = {"pod-security.kubernetes.io/enforce": "restricted"}
    of_hub = {"matchLabels": {"kubernetes.io/metadata.name": HUB_NAMESPACE}}
    of_operator = {"matchLabels": {"kubernetes.io/metadata.name": OPERATOR_NAMESPACE}}
    peers = [
        {"namespaceSelector": of_hub, "podSelector": {"matchLabels": {OWNER: slug}}},
        {"namespaceSelector": of_operator, "podSelector": {"matchLabels": {"app.kubernetes.io/name": "kubernel"}}},
    ]
    kernels = {"matchLabels": {"app.kubernetes.io/managed-by": "kubernel", "app.kubernetes.io/component": "kernel"}}
    here = {"name": "kernels", "namespace": namespace, "labels": labels}
    return {
        "create_namespace": {"metadata": {"name": namespace, "labels": {**labels, **restricted}}},
        "create_namespaced_service_account": {
            "metadata": {"name": account, "namespace": HUB_NAMESPACE, "labels": labels}
        },
        "create_namespaced_role_binding": {
            "metadata": here,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": CLIENT_ROLE},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": HUB_NAMESPACE}],
        },
        "create_namespaced_network_policy": {
            "metadata": here,
            "spec": {
                "podSelector": kernels,
                "policyTypes": ["Ingress"],
                "ingress": [{"from": peers, "ports": [{"port": 18881, "endPort": 18886, "protocol": "TCP"}]}],
            },
        },
    }


async def kernels_per_user(spawner):
    """Makes what the user needs, and tells the server where its kernels run."""
    slug = safe_slug(spawner.user.name)
    try:
        config.load_incluster_config()
    except config.ConfigException:
        await config.load_kube_config()
    async with client.ApiClient() as api:
        apis = [client.CoreV1Api(api), client.RbacAuthorizationV1Api(api), client.NetworkingV1Api(api)]
        for method, body in objects_for(slug).items():
            create = next(getattr(each, method) for each in apis if hasattr(each, method))
            where = [body["metadata"]["namespace"]] if "namespace" in body["metadata"] else []
            try:
                await create(*where, body)
            except ApiException as error:
                if error.status != 409:  # it is there
                    raise
        # A namespace of that name that somebody made for something else must not get a user's kernels, nor a user.
        namespace = await apis[0].read_namespace(f"kernels-{slug}")
        if (namespace.metadata.labels or {}).get(OWNER) != slug:
            raise RuntimeError(f"Namespace kernels-{slug} is there, and is not that of user {spawner.user.name}.")
    # Kernels outlive their server when it is stopped, and the next server of that user finds them.
    kept = {"KUBERNEL_NAMESPACE": f"kernels-{slug}", "KUBERNEL_KEEP_KERNELS": "1"}
    spawner.environment = {**spawner.environment, **kept}
    if hasattr(spawner, "service_account"):  # KubeSpawner
        spawner.service_account = f"notebook-{slug}"
        spawner.extra_labels = {**spawner.extra_labels, OWNER: slug}
        # Whatever kubeconfig the user has in their home is for other things.
        spawner.environment = {**spawner.environment, "KUBERNEL_KUBECONFIG": "in-cluster"}


c = get_config()  # noqa: F821 - JupyterHub's
c.Spawner.pre_spawn_hook = kernels_per_user
