"""A jupyter_client kernel provisioner that starts kernels as KernelInstances on Kubernetes."""
