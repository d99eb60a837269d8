"""The first process of a kernel's container: ``supervisor.py``, one stdlib-only file that travels as text."""
