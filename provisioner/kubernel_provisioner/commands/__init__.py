"""The command ``kubernel``."""
