"""The second stage: what goes on beside the kernel. Reports, the control port, restarts, the end."""
