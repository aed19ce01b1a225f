#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Boots User Mode Linux with this machine's file system as its root, read-only,
# and runs a command as root; what the command writes to /run/out is kept in
# build/bench.
#
# usage: uml.sh COMMAND
set -euo pipefail
# shellcheck source=selftests/vm/lib.sh
source "$(dirname "$0")/../vm/lib.sh"
# shellcheck source=selftests/vm/toolchain.sh
source "$ROOT/selftests/vm/toolchain.sh"

command=${1:?usage: uml.sh COMMAND}
export ARCH=um
mapfile -t built < <("$ROOT/selftests/vm/module.sh" speed)
[[ ${#built[@]} -eq 2 ]] || die "the module for the speed kernel does not build"
KDIR=${built[0]}
um_barriers "$KDIR"
generator=$BUILD/generator
mkdir -p "$generator"
make -s -C "$KDIR" ARCH=um M="$ROOT/selftests/bench/generator" MO="$generator" modules >&2
"$ROOT/selftests/vm/tool.sh"
out=$BUILD/bench
mkdir -p "$out"
for program in connections stream; do
	gcc -O2 -Wall -Wextra -o "$out/$program" "$ROOT/selftests/bench/$program.c"
done
rm -f "$out/status"
printf '%s\n' "$command" >"$out/command"
cat >"$out/environment" <<EOF
export RLVS_KO='${built[1]}/rlvs.ko' BENCH_GENERATOR='$generator/rlvs_generator.ko'
export BENCH_CONNECTOR='$generator/rlvs_connector.ko'
export BENCH_MODULES='$KDIR/install' PATH='$BUILD/tool/release':\$PATH
export BENCH_CONNECTIONS='$out/connections' BENCH_STREAM='$out/stream'
export FULL='${FULL:-}' BENCH_ROUNDS='${BENCH_ROUNDS:-}' BENCH_PACKETS='${BENCH_PACKETS:-}'
export BENCH_LOAD='load average of the machine before: $(cut -d ' ' -f 1-2 /proc/loadavg)'
export BENCH_PROCESSOR='$(sed -n '/^model name/{s/.*: //;p;q}' /proc/cpuinfo)'
EOF
limit=900
[[ -z ${FULL:-} ]] || limit=7200
# The kernel and its processes take turns. On one processor they need not wake another one, which
# takes several times as long, and not the same time twice. Of several processors the last one has
# the least to do with the machine's own devices.
cpus=${BENCH_CPUS:-1} pin=() preload=()
if ((cpus == 1)); then
	allowed=$(taskset -cp $$)
	pin=(taskset -c "${allowed##*[ ,-]}")
	gcc -O2 -Wall -Wextra -shared -fPIC -o "$out/no_ipi.so" "$ROOT/selftests/bench/no_ipi.c" -ldl
	preload=(LD_PRELOAD="$out/no_ipi.so")
fi
# With more memory modules are too far from the kernel for its calls.
env -i HOME=/tmp TMPDIR=/tmp "${preload[@]}" timeout "${VM_TIMEOUT:-$limit}" "${pin[@]}" \
	"$KDIR/linux" mem=1G \
	root=/dev/root rootfstype=hostfs rootflags=/ ro seccomp=on ncpus="$cpus" quiet \
	uml_dir="$out/uml" con=fd:0,fd:1 ssl=fd:0,fd:1 \
	init="$ROOT/selftests/bench/init.sh" bench_out="$out" bench_root="$ROOT" </dev/null
[[ -e $out/status ]] || die "User Mode Linux ended without a word"
exit "$(cat "$out/status")"
