"""A jupyter_client kernel provisioner that starts kernels as KernelInstances on Kubernetes."""

from .errors import KubernelError
from .provisioner import KubernetesProvisioner

__all__ = ["KubernelError", "KubernetesProvisioner"]
