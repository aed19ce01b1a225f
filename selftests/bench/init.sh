#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The first process in User Mode Linux: mounts what programs expect, runs the
# command and powers off. The machine's own file system is the root, read-only;
# what the command writes to /out is kept.
# shellcheck disable=SC2154,SC1091 # the kernel passes on what it does not know
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/root LC_ALL=C.UTF-8 TMPDIR=/run PYTHONDONTWRITEBYTECODE=1
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t debugfs debug /sys/kernel/debug
mount -t tmpfs run /run
mkdir /run/out
mount -t hostfs none /run/out -o "$bench_out"
ip link set lo up
cd "$bench_root" || exit
. "$bench_out/environment"
# For programs, and for what the kernel loads by itself.
export MODPROBE_OPTIONS="-d $BENCH_MODULES"
printf '#!/bin/sh\nexec modprobe %s "$@"\n' "$MODPROBE_OPTIONS" >/run/modprobe
chmod +x /run/modprobe
echo /run/modprobe >/proc/sys/kernel/modprobe
sh -c "$(cat "$bench_out/command")"
echo $? >/run/out/status
sync
echo o >/proc/sysrq-trigger
sleep 5
