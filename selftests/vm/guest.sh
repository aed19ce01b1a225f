#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Runs inside the guest, started by boot.sh: makes the kernel's modules and the
# tool reachable, runs the command, and leaves the verdict in the kernel's log.
# shellcheck disable=SC2154 # boot.sh wrote the rlvs_ variables that are sourced
set -uo pipefail

state=$(sed -n 's/.*rlvs\.state=\([^ ]*\).*/\1/p' /proc/cmdline)
# shellcheck source=/dev/null
source "$state/environment"
export PATH=$rlvs_tools:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
unset LC_ALL
export LANG=C.UTF-8 HOME=/root

release=$(uname -r)
mkdir -p /lib/modules
mount -t tmpfs tmpfs /lib/modules
ln -s "$rlvs_modules/$release" "/lib/modules/$release"

# Reports what kmemleak finds, if it is in this kernel: it takes an object for
# leaked that two scans more than five seconds after its birth do not find.
report_leaks() {
	local leaks=/sys/kernel/debug/kmemleak
	[[ -w $leaks ]] || return 0
	echo scan >"$leaks"
	sleep 6
	echo scan >"$leaks"
	sed 's/^/rlvs-vm: /' "$leaks" >/dev/kmsg
}

cd "$RLVS_ROOT" || exit 1
if [[ ! -s $state/command || -z $(tr -d '[:space:]' <"$state/command") ]]; then
	exec bash -i
fi
bash "$state/command"
status=$?
report_leaks
echo "rlvs-vm: command exited with $status, kernel tainted $(cat /proc/sys/kernel/tainted)" >/dev/kmsg
exit "$status"
