#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Fetches the Python packages of tests that distributions do not carry at the
# right version into the cache, and prints their folder. What was fetched is
# checked against the sums in python.txt.
set -euo pipefail
# shellcheck source=selftests/vm/lib.sh
source "$(dirname "$0")/lib.sh"

list=$ROOT/selftests/vm/python.txt
folder=$CACHE/python-$(sha256sum <"$list" | cut -c 1-12)
lock_cache python
if [[ ! -d $folder ]]; then
	say "fetching Python packages: $(grep -oE '^[^ #]+' "$list" | xargs)"
	rm -rf "$folder.tmp"
	PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: \
		--require-hashes --target "$folder.tmp" -r "$list" >&2 ||
		die "pip could not fetch the packages of $list"
	mv "$folder.tmp" "$folder"
fi
printf '%s\n' "$folder"
