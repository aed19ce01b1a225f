#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Shows that the tests would notice the deadlock that the token for bottom halves
# excludes: a lock that softirq takes, taken in process context with bottom halves
# on. A module with that bug put back in is loaded on the debug kernel, a request
# that adds destinations takes the lock in process context, a remote client's packet
# in softirq. Neither needs to meet the other: lockdep has to complain, the runner
# and boot.sh have to fail, and nothing else may be wrong. Prints KTAP.
#
# The same tests pass with the module as it is: they are part of every run.
set -euo pipefail
# shellcheck source=selftests/vm/lib.sh
source "$(dirname "$0")/lib.sh"

VM_LOG=${VM_LOG:-$BUILD/vm-lockdep-bug.log}
export VM_LOG
"$ROOT/selftests/vm/tool.sh"
mapfile -t built < <(RLVS_TEST_BUG=plain_lock "$ROOT/selftests/vm/module.sh" debug)
[[ ${#built[@]} -eq 2 ]] || die "the module with the bug does not build"
export KDIR=${built[0]} RLVS_KO=${built[1]}/rlvs.ko

output=$(mktemp)
trap 'rm -f "$output"' EXIT
status=0
"$ROOT/selftests/vm/boot.sh" \
	"selftests/run 'forward/nat_remote:every port serves: tcp4' \
		'forward/nat_local:every port serves: tcp4'" \
	>"$output" 2>&1 || status=$?

number=0
# Prints one result: its title, and the command that has to succeed.
result() {
	local title=$1 verdict=ok
	shift
	"$@" || verdict='not ok'
	number=$((number + 1))
	printf '%s %d %s\n' "$verdict" "$number" "$title"
	[[ $verdict == ok ]] || failed=1
}

failed=0
mapfile -t complaints < <(grep -E "$complaint" "$VM_LOG" || true)

# shellcheck disable=SC2317 # called by result
fails_only_where_it_should() {
	[[ $(grep -E '^(not )?ok ' "$output") == "$(printf '%s\n' 'not ok 1 forward/nat_remote' \
		'ok 2 forward/nat_local' 'ok 3 unload' 'ok 4 kmemleak')" ]]
}

# shellcheck disable=SC2317 # called by result
is_what_lockdep_says() {
	[[ ${#complaints[@]} -eq 1 && ${complaints[0]} == *'WARNING: inconsistent lock state'* ]] &&
		grep -q '{SOFTIRQ-ON-W} -> {IN-SOFTIRQ-W} usage' "$VM_LOG" &&
		grep -qE 'at: .*rlvs_picker|\(rlvs_picker\)' "$VM_LOG"
}

echo 'KTAP version 1'
echo 1..3
result 'the runner fails the test of the remote client, and no other' fails_only_where_it_should
result 'the boot fails' test "$status" -eq 1
result "the one complaint is lockdep's about the picker lock" is_what_lockdep_says
if [[ $failed -ne 0 ]]; then
	sed 's/^/# /' "$output"
	printf '# complaint: %s\n' "${complaints[@]}"
fi
exit "$failed"
