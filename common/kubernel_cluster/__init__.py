"""One way to talk to an API server, for the operator and for notebook servers."""
