"""How the supervisor gets into a container that knows nothing of it: a shell script, and the supervisor's text.

Both travel in the Secret and reach the container as environment variables, so a pod's spec stays readable.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

#: Where the second stage of ``supervisor.py`` begins: what follows is compiled while the kernel already boots.
STAGE_MARK = "# ==== second stage ====\n"

# POSIX sh; dash, bash and busybox ash run it. printf is a builtin of all three, so the key is in no argument list.
# Without job control a shell ignores SIGINT in its background children, for ever: env --default-signal (coreutils
# 8.31) undoes that; where there is none (busybox), a kernel is interruptible if it sets its own handler, as R does.
# setsid keeps the kernel out of PID 1's group, where an interrupt would reach nobody. A trap ends ``wait`` early, so
# the shell waits again after one; 127 then means that the first wait had the code. Why it lingers after SIGTERM is said
# in supervisor.py, LINGER_SECONDS. It executes itself once more because /proc/1/environ shows what was there at exec.
#: POSIX sh: starts the supervisor, or without Python the kernel itself. The value of KUBERNEL_BOOTSTRAP.
BOOTSTRAP = r"""
if [ -z "$KUBERNEL_FILE" ]; then
  s='import os; exec(os.environ.pop("KUBERNEL_SUPERVISOR"))'
  command -v python3 >/dev/null 2>&1 && exec python3 -I -S -c "$s" "$@"
  python -c 'import sys; sys.exit(sys.version_info < (3, 6))' >/dev/null 2>&1 && exec python -I -S -c "$s" "$@"

  if [ $# = 0 ]; then
    echo "kubernel: no Python in this image, so no kernelspec is looked up: set spec.kernel.argv" >&2
    exit 127
  fi
  echo "kubernel: no Python in this image: no callbacks, signals, restarts in place or idle timeout" >&2

  f=${KUBERNEL_CONFIG#*\"connectionFile\":}; f=${f#*\"}; f=${f%%\"*}
  port() { p=${KUBERNEL_CONFIG#*\"$1\":}; p=${p%%[,\}]*}; printf '"%s_port": %d, ' $1 $p; }
  ( umask 077; mkdir -p "${f%/*}"; {
    printf '{"transport": "tcp", "ip": "0.0.0.0", '
    port shell; port iopub; port stdin; port control; port hb
    [ -z "$KUBERNEL_CURVE_PUBLICKEY" ] || printf '"curve_publickey": "%s", "curve_secretkey": "%s", ' \
      "$KUBERNEL_CURVE_PUBLICKEY" "$KUBERNEL_CURVE_SECRETKEY"
    printf '"signature_scheme": "hmac-sha256", "key": "%s"}\n' "$KUBERNEL_KEY"
  } > "$f" ) || exit 1
  unset KUBERNEL_CONFIG KUBERNEL_KEY KUBERNEL_TOKEN KUBERNEL_SUPERVISOR \
    KUBERNEL_CURVE_PUBLICKEY KUBERNEL_CURVE_SECRETKEY JPY_PARENT_PID
  export KUBERNEL_FILE="$f"
  exec sh -c 'eval "$KUBERNEL_BOOTSTRAP"' kubernel "$@"
fi
f=$KUBERNEL_FILE
unset KUBERNEL_FILE KUBERNEL_BOOTSTRAP

n=$#
while [ $n -gt 0 ]; do
  a=$1; shift; n=$((n-1))
  while :; do
    case $a in
      *"{connection_file}"*) a=${a%%"{connection_file}"*}$f${a#*"{connection_file}"} ;;
      *) break ;;
    esac
  done
  set -- "$@" "$a"
done

r=
command -v setsid >/dev/null 2>&1 && r=setsid
env --default-signal true 2>/dev/null && r="env --default-signal $r"
pass() { again=1; [ $1 = INT ] || linger="sleep 2"; [ "$!" ] || exit 143; kill -$1 -$! 2>/dev/null || kill -$1 $!; }
trap 'pass TERM' TERM
trap 'pass INT' INT
$r "$@" &
c=; linger=; again=1
while [ "$again" ]; do
  again=; wait $!; s=$?
  [ $s = 127 ] && [ "$c" ] || c=$s
done
$linger
exit $c
"""


def bootstrap_args(argv: list[str]) -> list[str]:
    """``args`` of the kernel's container.

    Args:
        argv: the kernel's command with ``{connection_file}`` in it; empty: the kernelspec that KUBERNEL_CONFIG names.
    """
    return ["sh", "-c", 'eval "$KUBERNEL_BOOTSTRAP"', "kubernel", *argv]


@cache
def supervisor_source() -> str:
    """The supervisor as it goes into the Secret: comments and docstrings blanked, the second stage as a string.

    Line numbers stay as they are in ``supervisor.py``, so a traceback in a container's log can be read.
    """
    text = Path(__file__).with_name("supervisor.py").read_text(encoding="utf-8")
    first, mark, second = text.partition(STAGE_MARK)
    if not mark:
        raise ValueError(f"supervisor.py has no line {STAGE_MARK!r}")
    padding = "\n" * (first.count("\n") + 1)
    rest = padding + _without_comments(second)
    return f"{_without_comments(first)}exec(compile({rest!r}, 'supervisor.py', 'exec'))\n"


def _without_comments(source: str) -> str:
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column].rstrip()
    for first, column, last in _docstrings(ast.parse(source)):
        lines[first - 1 : last] = [lines[first - 1][:column] + '""', *[""] * (last - first)]
    return "\n".join(lines) + "\n"


def _docstrings(tree: ast.Module) -> Iterator[tuple[int, int, int]]:
    """First line, column and last line of each docstring."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            text = node.body[0]
            yield text.lineno, text.col_offset, text.end_lineno or text.lineno
