#!/bin/sh
# The first thing that a kernel's container runs: it becomes the supervisor, or without Python goes on with plain.sh.
#
# POSIX sh; dash, bash and busybox ash run it. It travels without its comments as the value of KUBERNEL_BOOTSTRAP, in
# each pod's own Secret; what it starts is in a ConfigMap, and whoever may write those must not choose what runs here:
#
#     args: ["sh", "-c", "eval \"$KUBERNEL_BOOTSTRAP\"", "kubernel", ARGV...]

foreign="kubernel: ConfigMap kubernel-supervisor-@DIGEST@ holds something else than the operator put there; delete it"
# Every Python has _blake2: 0.2 ms, and hashlib 3.
start='import os, sys
try: from _blake2 import blake2b
except ImportError: from hashlib import blake2b
source = os.environ.pop("KUBERNEL_SUPERVISOR")
if blake2b(source.encode(), digest_size=16).hexdigest() != "@DIGEST@": sys.exit("'$foreign'")
exec(source)'
command -v python3 >/dev/null 2>&1 && exec python3 -I -S -c "$start" "$@"
python -c 'import sys; sys.exit(sys.version_info < (3, 6))' >/dev/null 2>&1 && exec python -I -S -c "$start" "$@"

command -v sha256sum >/dev/null 2>&1 || {
  echo "kubernel: this image has neither Python nor sha256sum (of coreutils or busybox): a kernel needs one of them" >&2
  exit 127
}
[ "$(printf %s "$KUBERNEL_SUPERVISOR" | sha256sum)" = "@SHA256@  -" ] || {
  echo "$foreign" >&2
  exit 1
}
# It begins with plain.sh, as a string of Python.
KUBERNEL_PLAIN=${KUBERNEL_SUPERVISOR#"r'''"}
KUBERNEL_PLAIN=${KUBERNEL_PLAIN%%"'''"*}
eval "$KUBERNEL_PLAIN"
