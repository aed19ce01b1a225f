#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Unpacks one Debian package, without installing it, from suites newer than the
# machine's own. apt's state for those suites is kept apart from the machine's.
#
# usage: newer-suites.sh versions PACKAGE
#        newer-suites.sh unpack PACKAGE VERSION DIRECTORY
set -euo pipefail
# shellcheck source=selftests/vm/lib.sh
source "$(dirname "$0")/lib.sh"

state=$CACHE/apt
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
private=(-o Dir::State::Lists="$state/lists" -o Dir::Etc::sourcelist="$state/sources.list"
	-o Dir::Etc::sourceparts=/dev/null -o Dir::Cache="$state/cache"
	-o APT::Sandbox::User=root -o Acquire::Retries=3 -o Acquire::Languages=none
	-o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false)

# The machine's own mirror serves the newer suites too.
mirror() {
	# shellcheck disable=SC2016 # apt expands these, not the shell
	apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(LABEL)' 'Created-By: Packages' |
		awk '$2 == "Debian" && $3 == "Debian" && !found++ { print $1 }'
}

# Reads the suites' package lists, at most once in an hour.
update() {
	local uri suite
	if [[ -n $(find "$state/lists" -maxdepth 1 -name '*Packages*' -mmin -60 -print -quit 2>/dev/null) ]]; then
		return 0
	fi
	uri=$(mirror)
	if [[ -z $uri ]]; then
		say "reading this machine's package lists, to know its mirror"
		as_root apt-get -q update >&2
		uri=$(mirror)
	fi
	[[ -n $uri ]] || die "no Debian mirror among apt's sources"
	[[ -r $keyring ]] || die "no $keyring: install debian-archive-keyring"
	mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
	for suite in sid trixie-backports trixie; do
		echo "deb [signed-by=$keyring] $uri $suite main"
	done >"$state/sources.list"
	say "reading the package lists of Debian's newer suites"
	# The others may have what is asked for when a suite cannot be read.
	apt-get -q "${private[@]}" update >&2 || say "not every suite could be read (see above)"
	find "$state/lists" -maxdepth 1 -name '*Packages*' -exec touch {} +
	compgen -G "$state/lists/*Packages*" >/dev/null || die "no package list could be read"
}

unpack() {
	local package=$1 version=$2 directory=$3 work
	mkdir -p "$CACHE"
	work=$(mktemp -d "$CACHE/unpack.XXXXXX")
	# shellcheck disable=SC2064 # this very directory, whatever work is later
	trap "rm -rf '$work'" EXIT
	say "fetching $package $version"
	(cd "$work" && apt-get -q "${private[@]}" download "$package=$version" >&2)
	mkdir -p "$directory"
	dpkg -x "$work"/*.deb "$directory"
}

case ${1-} in
versions)
	update
	apt-cache "${private[@]}" madison "$2" | awk '{ print $3 }' | sort -uV
	;;
unpack)
	update
	unpack "$2" "$3" "$4"
	;;
*)
	die "usage: newer-suites.sh versions PACKAGE | unpack PACKAGE VERSION DIRECTORY"
	;;
esac
