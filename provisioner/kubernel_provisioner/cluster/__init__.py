"""What a process shares for all its kernels of a namespace: the login, one watch, one Lease, one background loop."""
