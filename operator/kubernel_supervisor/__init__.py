"""The first process of a kernel's container. ``supervisor.py`` is all of it: one stdlib-only file that travels as text."""
