"""What touches the outside first and last: kopf's watches, the servers that pods and probes call, logs and metrics."""
