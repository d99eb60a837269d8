"""The only place that writes to the cluster or speaks to pods."""
