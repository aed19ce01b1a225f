# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Counts what test programs say. Sourced by check.sh.
#
# Each counter is called as: COUNTER NAME STATUS LOG, where STATUS is the exit
# status of what wrote LOG. A program that failed without saying which of its
# tests did counts as one failure more, so that nothing passes by dying.

passed=0 failed=0 skipped=0
failures=() skips=() newest=

add() {
	newest="$1 passed, $2 failed, $3 skipped"
	passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
}

last_count() {
	printf '%s\n' "$newest"
}

# A step that is one test by itself.
count_status() {
	if [[ $2 -eq 0 ]]; then
		add 1 0 0
	else
		fail_whole "$1" "$3" "exit status $2"
		add 0 1 0
	fi
}

# A step that does not run: skip_whole NAME REASON.
skip_whole() {
	skips+=("$1: $2")
	add 0 0 1
}

fail_whole() {
	failures+=("$1: $3; $2")
	tail -n 60 "$2" >&2
}

# Rust's test programs end with "test result: ok. N passed; N failed; N ignored".
count_cargo() {
	local name=$1 status=$2 log=$3 counts
	counts=$(awk '/^test result:/ {
			for (i = 2; i <= NF; i++) {
				if ($i ~ /^passed/) p += $(i - 1)
				if ($i ~ /^failed/) f += $(i - 1)
				if ($i ~ /^ignored/) s += $(i - 1)
			}
		} END { printf "%d %d %d", p, f, s }' "$log")
	settle "$name" "$status" "$log" "$counts"
	while read -r line; do
		failures+=("$name: $line")
	done < <(sed -n 's/^test \(.*\) \.\.\. FAILED$/\1/p' "$log")
}

# The tests of a KTAP file that failed, each after what it said about that.
failures_in_ktap() {
	awk '
		/^ *not ok / { printf "%s%s\n", notes, $0 }
		/^ *# / { notes = notes $0 "\n"; next }
		{ notes = "" }' "$1"
}

# KTAP: the results of subtests count where there are any, else the test's own.
# A plan that was not fulfilled is a failure.
count_ktap() {
	local name=$1 status=$2 log=$3 counts line
	counts=$(awk '
		function result(line) {
			if (line ~ /^not ok/) return "f"
			return line ~ /# SKIP/ ? "s" : "p"
		}
		/^1\.\.[0-9]+/ { planned = substr($0, 4) + 0 }
		/^ +(not )?ok [0-9]+/ { sub(/^ +/, ""); sub_count[result($0)]++; subs++; next }
		/^(not )?ok [0-9]+/ {
			seen++
			r = result($0)
			if (!subs) total[r]++
			else {
				for (k in sub_count) total[k] += sub_count[k]
				# A test that failed as a whole though no subtest of it did.
				if (r == "f" && !sub_count["f"]) total["f"]++
			}
			delete sub_count; subs = 0
		}
		END {
			for (k in sub_count) total[k] += sub_count[k]
			if (planned == 0 || seen != planned) total["f"]++
			printf "%d %d %d", total["p"], total["f"], total["s"]
		}' "$log")
	settle "$name" "$status" "$log" "$counts"
	while read -r line; do
		failures+=("$name: $line")
	done < <(failures_in_ktap "$log")
	while read -r line; do
		skips+=("$name: $line")
	done < <(grep -E '^ *ok .*# SKIP' "$log" || true)
}

# settle NAME STATUS LOG "PASSED FAILED SKIPPED"
settle() {
	local p f s
	read -r p f s <<<"$4"
	if [[ $2 -ne 0 && $f -eq 0 ]]; then
		fail_whole "$1" "$3" "exit status $2"
		f=1
	elif [[ $f -ne 0 ]]; then
		failures+=("$1: see $3")
	elif [[ $p -eq 0 ]]; then
		fail_whole "$1" "$3" "no test ran"
		f=1
	fi
	add "$p" "$f" "$s"
}

# Prints the failures, the skipped tests with their reasons, and the last line;
# ends the script with 1 if anything failed.
report() {
	[[ ${#skips[@]} -eq 0 ]] || printf 'skipped: %s\n' "${skips[@]}"
	[[ ${#failures[@]} -eq 0 ]] || printf 'failed: %s\n' "${failures[@]}"
	printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
	[[ $failed -eq 0 ]] || exit 1
}
