"""Fixtures for all tests. Those that need a cluster start one on first use; tests/unit uses none of them."""

pytest_plugins = (
    "fixtures.cluster",
    "fixtures.kernel_managers",
    "fixtures.kernelspecs",
    "fixtures.namespaces",
    "fixtures.operator_release",
    "fixtures.operator_process",
    "fixtures.programs",
)
