#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
# shellcheck disable=SC2154 # boot.sh wrote the rlvs_ variables that are sourced
#
# The first process of the guest that boot.sh boots. The root file system is the
# machine's own, read-only: it is covered with memory, the kernel's file systems
# and modules are made reachable, the command is run, and the verdict is left in
# the kernel's log. Busybox, because every program start is slow in here.
set -u
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/root LANG=C.UTF-8 TERM=linux

# Ends the guest. Nothing has to be written back.
power_off() {
	echo o >/proc/sysrq-trigger
	while :; do sleep 1; done
}

# Covers the root with an overlay whose changes stay in memory. A chroot would
# not do: the kernel refuses user namespaces to a process in one.
cover_root() {
	mount -n -t tmpfs tmpfs /run
	mkdir /run/upper /run/work /run/root
	mount -n -t overlay -o lowerdir=/,upperdir=/run/upper,workdir=/run/work overlay /run/root
	cd /run/root || return 1
	mkdir -p mnt
	pivot_root . mnt
	mount -n -t proc proc /proc
	mount -n -t sysfs sysfs /sys
	mount -n -t devtmpfs devtmpfs /dev
	umount -l /mnt
	mount -n -t tmpfs -o mode=755 tmpfs /run
	mkdir -p /dev/pts /dev/shm /run/lock
	mount -n -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
	mount -n -t tmpfs tmpfs /dev/shm
	mount -n -t debugfs debugfs /sys/kernel/debug
	ln -sf /proc/self/fd /dev/fd
	ln -sf /proc/self/fd/0 /dev/stdin
	ln -sf /proc/self/fd/1 /dev/stdout
	ln -sf /proc/self/fd/2 /dev/stderr
}

# Puts the modules of the running kernel where modprobe looks.
reach_modules() {
	local release
	release=$(uname -r)
	mkdir -p /lib/modules
	rm -rf "/lib/modules/$release"
	ln -s "$rlvs_modules/$release" "/lib/modules/$release"
}

# The device of the virtio port that boot.sh gave this name.
port() {
	local entry
	entry=$(grep -lx "$1" /sys/class/virtio-ports/*/name)
	entry=${entry%/name}
	echo "/dev/${entry##*/}"
}

# Runs the command with its output going to the machine. The pipes between let
# programs open /dev/stdout, which a port allows only once. A process that the
# command left behind may hold a pipe open: it is not waited for.
run_command() {
	local status out err tries=0
	mkfifo /run/out /run/err
	cat /run/out >"$(port stdout)" &
	out=$!
	cat /run/err >"$(port stderr)" &
	err=$!
	setsid bash "$state/command" </dev/null >/run/out 2>/run/err
	status=$?
	while [ "$tries" -lt 20 ] && { kill -0 "$out" || kill -0 "$err"; } 2>/dev/null; do
		sleep 0.1
		tries=$((tries + 1))
	done
	return "$status"
}

# Reports what kmemleak finds, if it is in this kernel: it takes an object for
# leaked that is not found by a scan more than five seconds after its birth.
report_leaks() {
	local leaks=/sys/kernel/debug/kmemleak
	[ -w "$leaks" ] || return 0
	sleep 6
	echo scan >"$leaks"
	echo scan >"$leaks"
	sed 's/^/rlvs-vm: /' "$leaks" >/dev/kmsg
}

cover_root || echo "rlvs-vm: the root could not be covered" >/dev/kmsg
state=$(sed -n 's/.*rlvs\.state=\([^ ]*\).*/\1/p' /proc/cmdline)
# shellcheck source=/dev/null
. "$state/environment"
export PATH="$rlvs_tools:$PATH"
echo rlvs >/proc/sys/kernel/hostname
ifconfig lo up
ulimit -n 65536
reach_modules
cd "$RLVS_ROOT" || power_off

if [ -z "$(tr -d '[:space:]' <"$state/command")" ]; then
	setsid -c bash -i <>/dev/hvc0 >&0 2>&0
	power_off
fi
echo "rlvs-vm: starting the command" >/dev/kmsg
run_command
status=$?
report_leaks
echo "rlvs-vm: command exited with $status, kernel tainted $(cat /proc/sys/kernel/tainted)" >/dev/kmsg
power_off
