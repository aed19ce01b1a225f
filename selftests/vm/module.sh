#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Builds the module for one kernel, with all output under build/, and prints the
# kernel's tree and that output folder. KDIR= names another configured,
# Rust-enabled kernel tree than the test kernel.
#
# usage: [KDIR=...] [ARCH=um] module.sh KERNEL [MAKE ARGUMENT]...
#        module.sh --clippy      clippy instead of rustc, for the plain kernel
#
# RLVS_TEST_BUG=plain_lock builds a module with that bug, in a folder of its own.
set -euo pipefail
# shellcheck source=selftests/vm/lib.sh
source "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/vm/toolchain.sh
source "$ROOT/selftests/vm/toolchain.sh"

kernel=${1:?usage: module.sh KERNEL [MAKE ARGUMENT]...}
shift
flavour=
if [[ $kernel == --clippy ]]; then
	kernel=plain flavour=-clippy
	set -- modules CLIPPY=1
fi
rustc_version >/dev/null

if [[ -n ${KDIR:-} ]]; then
	KDIR=$(cd "$KDIR" && pwd) || die "no folder $KDIR"
	[[ -r $KDIR/.config ]] || die "$KDIR is not a configured kernel tree (no .config)"
	grep -q '^CONFIG_RUST=y' "$KDIR/.config" || die "$KDIR is configured without CONFIG_RUST=y"
	compgen -G "$KDIR/rust/*.rmeta" >/dev/null ||
		die "$KDIR holds no Rust metadata: build that kernel first"
	out=$BUILD/module-$(cksum <<<"$KDIR" | cut -d ' ' -f 1)$flavour
else
	KDIR=$("$ROOT/selftests/vm/kernel.sh" "$kernel")
	out=$BUILD/module-$SERIES-$kernel$flavour
fi
# No kernel, so no symbol is known: whether it compiles is what is asked.
[[ $kernel != prepared ]] || set -- "$@" KBUILD_MODPOST_WARN=1
if [[ -n ${RLVS_TEST_BUG:-} ]]; then
	out+=-$RLVS_TEST_BUG
	set -- "$@" RLVS_TEST_BUG="$RLVS_TEST_BUG"
fi
# A module is not rebuilt by itself when the kernel's own crates change.
built=$(sha256sum "$KDIR/rust/libkernel.rmeta" "$KDIR/Module.symvers" 2>/dev/null | sha256sum)
if [[ $flavour == -clippy || $(cat "$out.kernel" 2>/dev/null || true) != "$built" ]]; then
	rm -rf "$out"
fi
mkdir -p "$out"
printf '%s\n' "$built" >"$out.kernel"

# User Mode Linux links modules against a program, not a kernel image: rustc
# must not reach the kernel's data through a global offset table.
if [[ ${ARCH:-} == um ]]; then
	set -- "$@" KRUSTFLAGS=-Zdirect-access-external-data=yes
	um_barriers "$KDIR"
fi
kbuild_environment "$(llvm_of "$KDIR")"
[[ $# -gt 0 && $1 != *=* ]] || set -- modules "$@"
lock_cache "module-$(basename "$out")"
make -s -C "$KDIR" M="$ROOT" MO="$out" "${KBUILD_ARGS[@]}" -j"$(nproc)" "$@" >&2 9>&-
printf '%s\n%s\n' "$KDIR" "$out"
