"""Kernels by fork: the zygote, in the kernel's own Python, and what asks it."""
