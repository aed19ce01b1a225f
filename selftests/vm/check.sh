#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Runs all tests, or the named steps, and counts. The last line is
# "N passed, N failed, N skipped"; the exit status is 1 if any failed.
#
# usage: check.sh [STEP]...      a STEP is all, lint, host, vm, fmt (formats the code)
#                                vm_debug, or one of what these stand for: the functions below
#                                that are named test_*, vm_plain, vm_debug_1 and so on
set -euo pipefail
# shellcheck source=selftests/vm/lib.sh
source "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/vm/tally.sh
source "$ROOT/selftests/vm/tally.sh"

# The tests are for the two test kernels; make vm and make selftest take KDIR=.
unset KDIR ARCH RLVS_TEST_BUG VM_APPEND
cd "$ROOT"
logs=$BUILD/check
mkdir -p "$logs"
crates=(rust/core tools selftests/bench/core)

lint_steps=(format host_clippy kernel_clippy checkpatch shellcheck netlink_files doc_lists imports
	file_sizes kernel_options other_series)
# The series of Linux that the module builds for, besides the test kernels'.
other_series=(7.3)
host_steps=(core_tests tool_tests script_tests bench_tests core_bench compile_fail)
# The debug kernel is slow, and a guest of it uses little more than one processor: its tests are
# split, and two guests run at once.
debug_parts=3
vm_steps=(vm_plain)
for ((part = 1; part <= debug_parts; part++)); do
	vm_steps+=("vm_debug_$part")
done
vm_steps+=(vm_lockdep_bug vm_no_ipv6)
# With FULL=1, or by their names.
full_steps=(vm_rt)
# What differs most where softirqs are threads: packets from both sides, refusals, counters, and
# packets while hooks and module come and go.
rt_tests='forward/nat_remote forward/nat_local forward/steer schedule/second_try
	schedule/second_try_kept schedule/second_try_owner schedule/refusal_leaves
	schedule/no_destination forward/one_packet forward/udp_flow packet/icmp forward/sctp
	connection/stats host/conntrack forward/bulk workers/delete control/config_churn
	module/hooks_lifetime module/reload'

# The project's files of one kind, by extension, whether committed yet or not.
sources() {
	git ls-files --cached --others --exclude-standard -- "$@"
}

# The files whose first line names a shell, and the sourced *.sh.
shell_scripts() {
	local file
	sources | while read -r file; do
		if [[ -f $file ]] && { [[ $file == *.sh ]] || head -n 1 "$file" | grep -qE '^#!.*[/ ](ba)?sh$'; }; then
			printf '%s\n' "$file"
		fi
	done
}

# Builds the kernel KERNEL and the module for it, and leaves their places in
# KDIR and MODULE.
build_for() {
	local built
	mapfile -t built < <("$ROOT/selftests/vm/module.sh" "$1")
	[[ ${#built[@]} -eq 2 ]] || return 1
	KDIR=${built[0]} MODULE=${built[1]}
}

test_format() {
	local files
	mapfile -t files < <(sources '*.rs')
	rustfmt --check --config-path "$ROOT" "${files[@]}"
}

test_host_clippy() {
	local crate
	for crate in "${crates[@]}"; do
		CARGO_TARGET_DIR=$BUILD/clippy cargo clippy --quiet --locked --all-targets \
			--manifest-path "$crate/Cargo.toml" -- -D warnings || return 1
	done
}

test_kernel_clippy() {
	local output
	output=$("$ROOT/selftests/vm/module.sh" --clippy 2>&1) || {
		printf '%s\n' "$output"
		return 1
	}
	# The kernel's warnings do not fail a build; here they do.
	if grep -qE '^(warning|error)' <<<"$output"; then
		printf '%s\n' "$output"
		return 1
	fi
}

test_checkpatch() {
	local files
	# What the generator wrote is in the generator's style.
	mapfile -t files < <(sources '*.c' '*.h' | grep -vE '^(rust/netlink|include/uapi)/')
	build_for plain || return 1
	perl "$KDIR/source/scripts/checkpatch.pl" --no-tree --strict --quiet --no-summary \
		--terse --show-types --root "$KDIR/source" -f "${files[@]}"
}

test_shellcheck() {
	local files
	mapfile -t files < <(shell_scripts)
	shellcheck -x "${files[@]}"
}

test_netlink_files() {
	build_for plain || return 1
	tools/rlvs-ynl-regen --check "$KDIR/source"
}

# What the documentation lists of the code is what the code says, and what it shows of workers that
# go is what one run of make compare has found.
test_doc_lists() {
	selftests/vm/doc_lists.py &&
		selftests/lib/worker_tables.py --check Documentation/performance/workers.rst
}

# The build for a kernel without an option that the module needs stops with one line that names it.
test_kernel_options() {
	local options option said
	mapfile -t options < <(sed -n 's/^rlvs_needs [:+]= //p' Kbuild | tr ' ' '\n')
	[[ ${#options[@]} -ge 7 ]] || return 1
	for option in "${options[@]}"; do
		said=$(make --no-print-directory -f Kbuild CONFIG_MODULES=y \
			"${options[@]/%/=y}" "$option=" 2>&1) && return 1
		printf '%s\n' "$said"
		[[ $said == Kbuild:*"rlvs needs $option, which"* && $said != *$'\n'* ]] || return 1
	done
}

# No file imports another in a circle, and the module's imports run downwards.
test_imports() {
	selftests/vm/imports.py rust/core/rlvs_core.rs rust/kext/rlvs_kext.rs rust/module/rlvs_main.rs \
		tools/*/src/lib.rs tools/*/src/main.rs
}

# No file that is written by hand has more than 500 lines, but for tables.
test_file_sizes() {
	local file lines status=0
	while read -r file; do
		case $file in
		# Generated; a table of prototypes.
		rust/netlink/* | include/uapi/* | tools/*/src/spec.rs | rust/helpers/rlvs_helpers.h) continue ;;
		esac
		lines=$(wc -l <"$file")
		if ((lines > 500)); then
			printf '%s has %s lines\n' "$file" "$lines"
			status=1
		fi
	done < <(sources '*.rs' '*.c' '*.h' '*.py' '*.sh')
	return "$status"
}

# The module compiles for the other series without a warning of the compilers.
test_other_series() {
	local series output
	for series in "${other_series[@]}"; do
		output=$(SERIES=$series "$ROOT/selftests/vm/module.sh" prepared 2>&1) || {
			printf '%s\n' "$output"
			return 1
		}
		if grep -E '^(warning|error)|: (warning|error):' <<<"$output"; then
			return 1
		fi
	done
}

test_core_tests() {
	cargo_tests rust/core
}

test_tool_tests() {
	cargo_tests tools
}

# Shows that the lints of the documentation find planted mistakes.
test_script_tests() {
	python_tests selftests/vm && python_tests selftests/lib
}

# Whether results are compared and shown rightly, not how they are measured.
test_bench_tests() {
	python_tests selftests/bench
}

# Runs each of the core's benchmarks once: whether it works, not how long it takes.
test_core_bench() {
	CARGO_TARGET_DIR=$BUILD/host-tests cargo test --locked --benches \
		--manifest-path selftests/bench/core/Cargo.toml
}

test_compile_fail() {
	build_for plain || return 1
	selftests/compile-fail/run "$KDIR" "$MODULE"
}

# Boots the kernel of a step, vm_KERNEL or vm_KERNEL_PART, and runs the selftests in it; or shows
# with a broken module that they would fail; or runs those that a kernel without IPv6 can.
vm_tests() {
	local kernel part command=selftests/run
	if [[ $1 == vm_no_ipv6 ]]; then
		VM_LOG=$logs/$1.console VM_APPEND=ipv6.disable=1 \
			"$ROOT/selftests/vm/vm.sh" plain "selftests/run host/no_ipv6 forward/nat_remote forward/nat_local"
		return
	fi
	if [[ $1 == vm_lockdep_bug ]]; then
		VM_LOG=$logs/$1.console VM_TIMEOUT=${VM_TIMEOUT:-900} "$ROOT/selftests/vm/lockdep_bug.sh"
		return
	fi
	if [[ $1 == vm_rt ]]; then
		VM_LOG=$logs/$1.console VM_TIMEOUT=${VM_TIMEOUT:-3600} \
			"$ROOT/selftests/vm/vm.sh" rt "RLVS_SCALE=3 selftests/run ${rt_tests//[$'\n\t']/ }"
		return
	fi
	IFS=_ read -r _ kernel part <<<"$1"
	[[ -z $part ]] || command+=" --part $part/$debug_parts"
	VM_LOG=$logs/$1.console VM_TIMEOUT=${VM_TIMEOUT:-3600} \
		"$ROOT/selftests/vm/vm.sh" "$kernel" "$command"
}

python_tests() {
	PYTHONDONTWRITEBYTECODE=1 python3 -m unittest discover --verbose \
		--start-directory "$1" --pattern 'test_*.py'
}

cargo_tests() {
	CARGO_TARGET_DIR=$BUILD/host-tests cargo test --locked --manifest-path "$1/Cargo.toml"
}

# Adds the steps that run in guests; those that take FULL=1 are counted as skipped without it.
add_vm_steps() {
	local step
	steps+=("${vm_steps[@]}")
	for step in "${full_steps[@]}"; do
		if [[ -n ${FULL:-} ]]; then
			steps+=("$step")
		else
			skip_whole "$step" 'runs with FULL=1, or by its name'
		fi
	done
}

# Which counter understands the output of a step.
counter_of() {
	case $1 in
	core_tests | tool_tests) echo count_cargo ;;
	compile_fail | vm_*) echo count_ktap ;;
	*) echo count_status ;;
	esac
}

# Counts what a step said that has ended.
settle_step() {
	local step=$1 status=$2
	"$(counter_of "$step")" "$step" "$status" "$logs/$step.log"
	say "$step: $(last_count), $((SECONDS - begun[$step])) s"
}

# Runs one step and keeps its output in a file.
run_step() {
	local step=$1 status=0
	say "$step"
	begun[$step]=$SECONDS
	("test_$step") >"$logs/$step.log" 2>&1 || status=$?
	settle_step "$step" "$status"
}

# Waits for one of the guests to end.
settle_guest() {
	local pid status=0
	wait -n -p pid "${!guests[@]}" || status=$?
	settle_step "${guests[$pid]}" "$status"
	unset "guests[$pid]"
}

# Boots a guest, or builds its kernel first, while at most one other is at work. Its output is
# kept in a file and shown as it comes.
start_guest() {
	local step=$1
	[[ ${#guests[@]} -lt 2 ]] || settle_guest
	say "$step"
	begun[$step]=$SECONDS
	{ vm_tests "$step" 2>&1 | tee "$logs/$step.log" | sed -u "s/^/$step: /" || exit; } &
	guests[$!]=$step
}

steps=() guests=()
declare -A begun
[[ $# -gt 0 ]] || set -- all
for name in "$@"; do
	case $name in
	all)
		steps+=("${lint_steps[@]}" "${host_steps[@]}")
		add_vm_steps
		;;
	lint) steps+=("${lint_steps[@]}") ;;
	host) steps+=("${host_steps[@]}") ;;
	vm) add_vm_steps ;;
	fmt)
		mapfile -t files < <(sources '*.rs')
		exec rustfmt --config-path "$ROOT" "${files[@]}"
		;;
	vm_debug) steps+=("${vm_steps[@]:1:debug_parts + 1}") ;;
	vm_*)
		[[ " ${vm_steps[*]} ${full_steps[*]} " == *" $name "* ]] || die "no such step: $name"
		steps+=("$name")
		;;
	*)
		declare -F "test_$name" >/dev/null || die "no such step: $name (see the top of $0)"
		steps+=("$name")
		;;
	esac
done

"$ROOT/selftests/vm/packages.sh"
for step in "${steps[@]}"; do
	if [[ $step == vm_* ]]; then
		start_guest "$step"
	else
		run_step "$step"
	fi
done
while [[ ${#guests[@]} -gt 0 ]]; do
	settle_guest
done
report
