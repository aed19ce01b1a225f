#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The first process of the guest that boot.sh boots. The root file system is the
# machine's own, read-only: it is covered with memory, the kernel's file systems
# and modules are made reachable, the command is run, and the verdict is left in
# the kernel's log.
# shellcheck disable=SC2154 # boot.sh wrote the rlvs_ variables that are sourced
set -uo pipefail
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/root LANG=C.UTF-8 TERM=${TERM:-linux}

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
	mount -t tmpfs -o mode=755 tmpfs /run
	mkdir -p /dev/pts /dev/shm /run/lock
	mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
	mount -t tmpfs tmpfs /dev/shm
	mount -t cgroup2 cgroup2 /sys/fs/cgroup
	mount -t debugfs debugfs /sys/kernel/debug
	mount -t tracefs tracefs /sys/kernel/tracing
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
	printf '/dev/%s\n' "${entry##*/}"
}

# Runs the command with its output going to the machine. The pipes between let
# programs open /dev/stdout, which a port allows only once. A process that the
# command left behind may hold a pipe open: it is not waited for.
run_command() {
	local out err status=0
	exec 3> >(exec cat >"$(port stdout)")
	out=$!
	exec 4> >(exec cat >"$(port stderr)")
	err=$!
	setsid --wait bash "$state/command" </dev/null >&3 2>&4 3>&- 4>&- || status=$?
	exec 3>&- 4>&-
	for _ in {1..20}; do
		kill -0 "$out" 2>/dev/null || kill -0 "$err" 2>/dev/null || break
		sleep 0.1
	done
	return "$status"
}

# Reports what kmemleak finds, if it is in this kernel: it takes an object for
# leaked that is not found by a scan more than five seconds after its birth.
report_leaks() {
	local leaks=/sys/kernel/debug/kmemleak
	[[ -w $leaks ]] || return 0
	sleep 6
	echo scan >"$leaks"
	echo scan >"$leaks"
	sed 's/^/rlvs-vm: /' "$leaks" >/dev/kmsg
}

cover_root || echo "rlvs-vm: the root could not be covered" >/dev/kmsg
state=$(sed -n 's/.*rlvs\.state=\([^ ]*\).*/\1/p' /proc/cmdline)
# shellcheck source=/dev/null
source "$state/environment"
export PATH=$rlvs_tools:$PATH
echo rlvs >/proc/sys/kernel/hostname
ip link set lo up
ulimit -n 65536
reach_modules
cd "$RLVS_ROOT" || power_off

if [[ -z $(tr -d '[:space:]' <"$state/command") ]]; then
	setsid --ctty --wait bash -i <>/dev/hvc0 >&0 2>&0
	power_off
fi
run_command
status=$?
report_leaks
echo "rlvs-vm: command exited with $status, kernel tainted $(cat /proc/sys/kernel/tainted)" >/dev/kmsg
power_off
