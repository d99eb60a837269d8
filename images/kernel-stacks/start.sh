#!/bin/bash
# What the script of the same name in jupyter/docker-stacks does for a container that does not start as root.
set -e
for hook in /usr/local/bin/before-notebook.d/*.sh; do
    # shellcheck disable=SC1090
    source "$hook"
done
echo "Executing the command: $*" >&2
exec "$@"
