"""The operator: makes KernelInstances into pods and reports what became of them."""
