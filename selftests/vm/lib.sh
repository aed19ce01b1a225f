# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Shared by the scripts behind the Makefile: places, versions and messages.
# Sourced, never run.
# shellcheck disable=SC2034 # the variables are for those who source this

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/rlvs
BUILD=$ROOT/build
SERIES=${SERIES:-7.2}

# The oldest rustc that Linux 7.2 can be built with, and the bindgen that
# is fetched because distributions carry older ones.
RUSTC_MIN=1.85
BINDGEN_VERSION=0.72.1

# The newest clang that both Debian 12 and 13 have and Linux 7.2 accepts.
LLVM_MAJOR=19

export ROOT CACHE BUILD SERIES

# No script ends for a failed command without saying which.
set -o errtrace
trap 'printf "error: %s:%s: %s (status %s)\n" "${BASH_SOURCE[0]}" "$LINENO" "$BASH_COMMAND" "$?" >&2' ERR

# What the kernel says when something is wrong with it. Lines of a stack trace
# alone are no complaint: fault injection prints them on purpose.
complaint='(\] |^)(BUG:|WARNING:|INFO: (task|rcu|trying|possible|suspicious|lockdep)|Oops|kernel BUG|'
complaint+='general protection fault|Kernel panic|watchdog: BUG|rcu: INFO|UBSAN:|ODEBUG:|kmemleak: [0-9]+ new|'
complaint+='unregister_netdevice: waiting|refcount_t:|rlvs-vm: unreferenced|list_(add|del) corruption|ref_tracker:)'

say() {
	printf '==> %s\n' "$*" >&2
}

die() {
	printf 'error: %s\n' "$*" >&2
	exit 1
}

# Runs a command as root, by sudo where the user is not root.
as_root() {
	if [[ $(id -u) -eq 0 ]]; then
		"$@"
	else
		command -v sudo >/dev/null || die "not root, and no sudo; run as root: $*"
		sudo "$@"
	fi
}

# version_at_least HAVE WANT: whether the dotted version HAVE is WANT or newer.
version_at_least() {
	[[ $(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1) == "$2" ]]
}

# Prints the machine's rustc version, and refuses one that is missing or old.
rustc_version() {
	local version
	command -v rustc >/dev/null ||
		die "no rustc: install Rust $RUSTC_MIN or newer (rustup, or Debian's rustc)"
	version=$(rustc --version | cut -d ' ' -f 2)
	version_at_least "$version" "$RUSTC_MIN" ||
		die "rustc is $version, Linux $SERIES needs $RUSTC_MIN or newer: use rustup or Debian's backports"
	printf '%s\n' "$version"
}

# Takes a lock of the cache until this script ends: two builds in one tree
# would destroy each other's files.
lock_cache() {
	mkdir -p "$CACHE"
	exec 9>"$CACHE/lock.$1"
	if ! flock -n 9; then
		say "waiting for another make that works on the same $1"
		flock 9
	fi
}
