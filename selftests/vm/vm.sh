#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Builds whatever is missing for a VM (kernel, module, tool) and boots it.
#
# usage: [KDIR=...] vm.sh KERNEL [COMMAND]       (see boot.sh for the rest)
set -euo pipefail
# shellcheck source=selftests/vm/lib.sh
source "$(dirname "$0")/lib.sh"

kernel=${1:?usage: vm.sh KERNEL [COMMAND]}
own_kdir=${KDIR:-}
"$ROOT/selftests/vm/packages.sh"
mapfile -t built < <("$ROOT/selftests/vm/module.sh" "$kernel")
[[ ${#built[@]} -eq 2 ]] || die "the module for the $kernel kernel does not build"
"$ROOT/selftests/vm/tool.sh"
RLVS_PYTHON=$("$ROOT/selftests/vm/python.sh")
export RLVS_PYTHON

export KDIR=${built[0]} RLVS_KO=${built[1]}/rlvs.ko
export VM_LOG=${VM_LOG:-$BUILD/vm-$kernel.log}
# The modules of someone's own kernel tree are not installed for us anywhere.
if [[ -n $own_kdir ]]; then
	export VM_MODULES=${built[1]}.install/lib/modules
	if [[ ! -d $VM_MODULES || $KDIR/Module.symvers -nt $VM_MODULES ]]; then
		say "collecting the modules of $KDIR"
		make -s -C "$KDIR" modules_install INSTALL_MOD_PATH="${built[1]}.install" INSTALL_MOD_STRIP=1 >&2
	fi
fi
say "booting the $kernel kernel"
exec "$ROOT/selftests/vm/boot.sh" "${2-}"
