"""Fixtures for all tests. Those that need a cluster start one on first use; tests/unit uses none of them."""

import signal

# A shell starts background jobs with SIGINT ignored, and whatever the tests start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = (
    "fixtures.cluster",
    "fixtures.kernel_managers",
    "fixtures.kernelspecs",
    "fixtures.namespaces",
    "fixtures.operator_release",
    "fixtures.operator_process",
    "fixtures.programs",
)
