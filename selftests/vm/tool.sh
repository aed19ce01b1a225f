#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Builds the userspace tool into build/tool.
set -euo pipefail
# shellcheck source=selftests/vm/lib.sh
source "$(dirname "$0")/lib.sh"

rustc_version >/dev/null
command -v cargo >/dev/null || die "no cargo: install it beside rustc"
CARGO_TARGET_DIR=$BUILD/tool cargo build --quiet --release --locked \
	--package rlvs --manifest-path "$ROOT/tools/Cargo.toml" >&2
