"""The ways to a kernel: the cluster's own addresses, or local ports that lead through the API server."""
