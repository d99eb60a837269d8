"""What `helm test` runs: starts one kernel, waits until it is Ready, deletes it.

Runs in the operator's image, with the rights of the test's own ServiceAccount. Arguments: namespace, name, seconds,
owner, as policies.accounts.owners wants it of this account.
"""

import sys
import time

from kubernetes import client, config

from kubernel_api.conditions import ConditionType, is_true
from kubernel_api.constants import API_VERSION, GROUP, KIND, PLURAL, VERSION


def main(namespace: str, name: str, seconds: float, owner: str) -> int:
    """Returns 0 when the kernel became Ready in time."""
    config.load_incluster_config()
    api = client.CustomObjectsApi()
    kernel = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name}, "spec": {"owner": owner}}
    began = time.monotonic()
    api.create_namespaced_custom_object(GROUP, VERSION, namespace, PLURAL, kernel)
    try:
        return wait_for_end(api, namespace, name, began, seconds)
    finally:
        api.delete_namespaced_custom_object(GROUP, VERSION, namespace, PLURAL, name)


def wait_for_end(api: client.CustomObjectsApi, namespace: str, name: str, began: float, seconds: float) -> int:
    """Polls until the kernel is Ready or cannot become it any more, and prints each change."""
    last = ""
    while time.monotonic() - began < seconds:
        status = api.get_namespaced_custom_object(GROUP, VERSION, namespace, PLURAL, name).get("status", {})
        line = f"{status.get('phase')} {status.get('reason')}: {status.get('message')}"
        if line != last:
            print(f"{time.monotonic() - began:6.2f} s  {line}", flush=True)
            last = line
        if is_true(status, ConditionType.READY):
            return 0
        if is_true(status, ConditionType.STALLED) or is_true(status, ConditionType.FINISHED):
            return 1
        time.sleep(0.1)
    print(f"kernel {namespace}/{name} was not Ready within {seconds:g} s; last: {last}")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], float(sys.argv[3]), sys.argv[4]))
