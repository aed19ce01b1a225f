#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Runs selftests/compare in a VM, and writes what it has found into the documentation if all
# contenders ran.
set -euo pipefail
# shellcheck source=selftests/vm/lib.sh
source "$(dirname "$0")/lib.sh"

mkdir -p "$BUILD"
"$ROOT/selftests/vm/vm.sh" plain selftests/compare | tee "$BUILD/compare.log"
"$ROOT/selftests/lib/worker_tables.py" "$BUILD/compare.log"
say 'wrote Documentation/performance/workers.rst and .svg, and the table of README.md'
