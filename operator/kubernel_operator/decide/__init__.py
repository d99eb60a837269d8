"""What it means and what to do about it. Pure: no I/O, no clock; ``now`` is an argument."""
