#!/bin/sh
# Process 1 of the namespaces that the Docker engine lives in. What it mounts and writes is seen by nobody outside.
# Usage: init.sh STATE DATA  (a folder for this run, a folder for images)
set -eu
state=$1
data=$2
mount -t tmpfs tmpfs /run
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$state/etc,workdir=$state/etc-work" /etc
rm -f /etc/resolv.conf
echo "nameserver 10.0.2.3" > /etc/resolv.conf # slirp4netns answers there
ip link set lo up
tries=100
until ip link show tap0 > /dev/null 2>&1; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || { echo "slirp4netns has made no link"; exit 1; }
    sleep 0.1
done
# Not exec: process 1 has to reap what others leave.
dockerd --host="unix://$state/docker.sock" --data-root="$data" --exec-root="$state/run" --pidfile="$state/docker.pid" \
    --storage-driver=overlay2 --ip6tables=false &
wait
