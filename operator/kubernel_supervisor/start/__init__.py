"""The first stage: what starts the kernel, and nothing else."""
