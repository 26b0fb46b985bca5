#!/bin/sh
# The first process of the runtime's own mount and process namespaces: lays private directories over
# the fixed paths that ctr, go-cni and the shims use, starts containerd, and ends it when standard
# input ends, however the test that held its other end came to an end. With this process every
# process and mount of the runtime is gone.
#
# Usage: runtime-init.sh DIR, where DIR holds config.toml and, below over/, what shall be seen.
set -eu
dir=$1
count=0

# Makes directories possible in $1 without writing to the machine's own: a tmpfs over it that
# refers to every entry as it was.
farm() {
  count=$((count + 1))
  saved=$dir/saved/$count
  mkdir -p "$saved"
  mount --rbind "$1" "$saved"
  mount -t tmpfs tmpfs "$1"
  for entry in "$saved"/* "$saved"/.[!.]*; do
    if [ -e "$entry" ] || [ -L "$entry" ]; then ln -s "$entry" "$1/"; fi
  done
}

# Lays DIR/over/PATH over PATH.
cover() {
  if [ ! -d "$1" ]; then
    above=$1
    while [ ! -d "$above" ]; do above=$(dirname "$above"); done
    farm "$above"
    mkdir -p "$1"
  fi
  mkdir -p "$dir/over$1"
  mount --bind "$dir/over$1" "$1"
}

# The old /proc still numbers this process as its starter does.
read -r pid rest </proc/self/stat
mount -t proc proc /proc
for path in /etc/cni/net.d /opt/cni/bin /var/lib/cni /run/containerd; do cover "$path"; done
containerd --config "$dir/config.toml" </dev/null >"$dir/containerd.log" 2>&1 &
containerd=$!
echo "init $pid"
cat >/dev/null
kill -TERM "$containerd"
wait "$containerd" || true
