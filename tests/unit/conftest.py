"""Property tests try the same examples in every run: a run that fails can be repeated, and no deadline is timed."""

from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")
