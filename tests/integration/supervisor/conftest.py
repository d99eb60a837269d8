"""Fixtures of these tests; what they are made of stands in ``fixtures/supervisors.py``."""

from fixtures.supervisors import kernel, open_path, operator, other_user, pid_namespace, supervise

__all__ = ["kernel", "open_path", "operator", "other_user", "pid_namespace", "supervise"]
