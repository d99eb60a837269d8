#!/bin/sh
# Runs the kernel in an image without Python, without a supervisor.
#
# POSIX sh; dash, bash and busybox ash run it. It travels without its comments at the head of the supervisor's text.

# ---- First pass: secrets are in the environment.

if [ -z "$KUBERNEL_FILE" ]; then
  if [ $# = 0 ]; then
    echo "kubernel: no Python in this image, so no kernelspec is looked up: set spec.kernel.argv" >&2
    exit 127
  fi
  echo "kubernel: no Python in this image: no callbacks, signals, restarts in place or idle timeout" >&2

  # KUBERNEL_CONFIG has lines of NAME=VALUE.
  newline='
'
  setting() {
    value=${KUBERNEL_CONFIG#*"$newline$1="}
    printf %s "${value%%"$newline"*}"
  }
  case $KUBERNEL_CONFIG in *"$newline"member=1"$newline"*)
    echo "kubernel: no Python in this image: its pods cannot wait in a KernelPool" >&2
    exit 126 ;;
  esac
  file=$(setting connectionFile)
  # A read-only root file system still has /dev/shm.
  ( umask 077; mkdir -p "${file%/*}" ) 2>/dev/null
  [ -w "${file%/*}" ] || file=/dev/shm/kubernel/${file##*/}
  # As the supervisor does: what to listen on depends on the first of the pod's addresses.
  case ${KUBERNEL_POD_IPS%%,*} in *:*) any=:: ;; *) any=0.0.0.0 ;; esac
  # printf is a builtin of all three shells, so the key is in no argument list.
  connection() {
    printf '{"transport": "tcp", "ip": "%s", ' $any
    printf '"shell_port": %d, "iopub_port": %d, "stdin_port": %d, "control_port": %d, "hb_port": %d, ' "$@"
    # Nobody here finds out whether a kernel can encrypt: Auto is for those that have Python.
    [ "$(setting encryption)" != Curve ] || printf '"curve_publickey": "%s", "curve_secretkey": "%s", ' \
      "$KUBERNEL_CURVE_PUBLICKEY" "$KUBERNEL_CURVE_SECRETKEY"
    printf '"signature_scheme": "hmac-sha256", "key": "%s"}\n' "$KUBERNEL_KEY"
  }
  # shellcheck disable=SC2046 # five words are wanted
  ( umask 077; mkdir -p "${file%/*}"; connection $(setting ports) > "$file" ) || exit 1
  unset KUBERNEL_CONFIG KUBERNEL_POD_IPS KUBERNEL_KEY KUBERNEL_TOKEN KUBERNEL_SUPERVISOR KUBERNEL_BOOTSTRAP \
    KUBERNEL_CURVE_PUBLICKEY KUBERNEL_CURVE_SECRETKEY JPY_PARENT_PID
  export KUBERNEL_FILE="$file" KUBERNEL_PLAIN
  # Once more: /proc/1/environ shows what was there at exec.
  # shellcheck disable=SC2016 # that shell expands it
  exec sh -c 'eval "$KUBERNEL_PLAIN"' kubernel "$@"
fi

# ---- Second pass: without secrets.

file=$KUBERNEL_FILE
unset KUBERNEL_FILE KUBERNEL_PLAIN

# Puts the file's path in the place of {connection_file}, in each of the arguments.
count=$#
while [ $count -gt 0 ]; do
  word=$1; shift; count=$((count-1))
  while :; do
    case $word in
      *"{connection_file}"*) word=${word%%"{connection_file}"*}$file${word#*"{connection_file}"} ;;
      *) break ;;
    esac
  done
  set -- "$@" "$word"
done

# KUBERNEL_ENV_0, KUBERNEL_ENV_1 ... hold variables whose names a shell would drop, such as spark.driver.memory=1g.
count=0
while eval "word=\${KUBERNEL_ENV_$count-}"; [ "$word" ]; do
  unset "KUBERNEL_ENV_$count"
  set -- "$word" "$@"
  count=$((count+1))
done
[ $count = 0 ] || set -- env "$@"

# setsid keeps the kernel out of PID 1's process group, where an interrupt would reach nobody.
# Without job control a shell ignores SIGINT in its background children, for ever: env --default-signal (coreutils 8.31)
# undoes that. Where there is none (busybox), a kernel is interruptible if it sets its own handler, as R does.
runner=
command -v setsid >/dev/null 2>&1 && runner=setsid
env --default-signal true 2>/dev/null && runner="env --default-signal $runner"

# Passes a signal on, to the kernel's process group if there is one. Why the container stays for a moment after SIGTERM:
# supervisor.py, LINGER_SECONDS.
# shellcheck disable=SC2329 # the traps call it
pass() {
  again=1
  [ "$1" = INT ] || linger="sleep 2"
  [ "$!" ] || exit 143
  kill "-$1" "-$!" 2>/dev/null || kill "-$1" $!
}
trap 'pass TERM' TERM
trap 'pass INT' INT
# shellcheck disable=SC2086 # several words, or none
$runner "$@" &

# A trap ends wait early, so the shell waits again after one; 127 then means that the first wait had the exit code.
code=""; linger=""; again=1
while [ "$again" ]; do
  again=
  wait $!; now=$?
  [ $now = 127 ] && [ "$code" ] || code=$now
done
$linger
exit "$code"
