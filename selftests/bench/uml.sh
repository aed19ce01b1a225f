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

command=${1:?usage: uml.sh COMMAND}
export ARCH=um
mapfile -t built < <("$ROOT/selftests/vm/module.sh" speed)
[[ ${#built[@]} -eq 2 ]] || die "the module for the speed kernel does not build"
KDIR=${built[0]}
generator=$BUILD/generator
mkdir -p "$generator"
make -s -C "$KDIR" ARCH=um M="$ROOT/selftests/bench/generator" MO="$generator" modules >&2
"$ROOT/selftests/vm/tool.sh"
out=$BUILD/bench
mkdir -p "$out"
rm -f "$out/status"
printf '%s\n' "$command" >"$out/command"
cat >"$out/environment" <<EOF
export RLVS_KO='${built[1]}/rlvs.ko' BENCH_GENERATOR='$generator/rlvs_generator.ko'
export BENCH_MODULES='$KDIR/install' PATH='$BUILD/tool/release':\$PATH
EOF
# With more memory modules are too far from the kernel for its calls.
env -i HOME=/tmp TMPDIR=/tmp timeout "${VM_TIMEOUT:-900}" "$KDIR/linux" mem=1G root=/dev/root rootfstype=hostfs \
	rootflags=/ ro seccomp=on ncpus=1 quiet uml_dir="$out/uml" con=null con0=fd:0,fd:1 \
	init="$ROOT/selftests/bench/init.sh" bench_out="$out" bench_root="$ROOT" </dev/null
[[ -e $out/status ]] || die "User Mode Linux ended without a word"
exit "$(cat "$out/status")"
