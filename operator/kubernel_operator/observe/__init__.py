"""What is known: the caches of objects, the memory of each KernelInstance, and what supervisors report."""
