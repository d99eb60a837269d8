"""What the kernel uses, and what keeps it from dying of that."""
