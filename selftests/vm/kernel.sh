#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Fetches Debian's kernel sources of a series, configures and builds a test
# kernel in the cache and prints the build tree. Does nothing when that tree was
# built from the same sources, configuration and compilers.
#
# usage: [SERIES=7.2] kernel.sh plain|debug|rt|kcsan|speed|prepared
#
# "prepared" is no kernel but what it takes to compile the module: the plain one's
# configuration, headers and Rust metadata.
set -euo pipefail
# shellcheck source=selftests/vm/lib.sh
source "$(dirname "$0")/lib.sh"
# shellcheck source=selftests/vm/toolchain.sh
source "$ROOT/selftests/vm/toolchain.sh"

kernel=${1-}
# gcc takes a little more than half of the time that clang takes. KASAN and Rust together
# need clang. So the module is tested with both.
fragments=("$ROOT/selftests/config/plain.config")
case $kernel in
plain) llvm='' compiler=gcc minutes=10 ;;
debug)
	llvm=-$LLVM_MAJOR compiler=clang-$LLVM_MAJOR minutes=20
	fragments+=("$ROOT/selftests/config/debug.config")
	;;
prepared) llvm='' compiler=gcc minutes=3 ;;
rt | kcsan)
	llvm='' compiler=gcc minutes=12
	fragments+=("$ROOT/selftests/config/$kernel.config")
	;;
speed)
	# User Mode Linux: natively, where there is no KVM.
	llvm='' compiler=gcc minutes=6
	export ARCH=um
	fragments+=("$ROOT/selftests/config/speed.config")
	barriers=$ROOT/selftests/config/um-barriers.h
	;;
*) die "usage: kernel.sh plain|debug|rt|kcsan|speed|prepared" ;;
esac
out=$CACHE/build/$SERIES-$kernel

# Prints the newest version of the series that the cache holds, if any.
cached_version() {
	mkdir -p "$CACHE/src"
	find -H "$CACHE/src" -maxdepth 1 -name "linux-$SERIES.*" ! -name '*.tmp' -printf '%f\n' |
		sed 's/^linux-//' | sort -V | tail -n 1
}

# Fetches the newest sources of the series into the cache.
fetch_source() {
	local package version tmp
	package=$("$ROOT/selftests/vm/newer-suites.sh" versions "linux-source-$SERIES" | tail -n 1)
	[[ -n $package ]] || die "Debian has no linux-source-$SERIES"
	version=${package%%-*}
	tmp=$CACHE/src/linux-$version.tmp
	rm -rf "$tmp"
	mkdir -p "$tmp"
	"$ROOT/selftests/vm/newer-suites.sh" unpack "linux-source-$SERIES" "$package" "$tmp"
	say "unpacking the sources of Linux $version"
	tar -C "$tmp" -I 'xz -T0' -xf "$tmp/usr/src/linux-source-$SERIES.tar.xz"
	mv "$tmp/linux-source-$SERIES" "$CACHE/src/linux-$version"
	rm -rf "$tmp"
}

# Dies naming the options that a fragment asks for and the kernel did not take,
# usually for want of something they depend on.
verify_config() {
	local line name refused=()
	while read -r line; do
		if [[ $line =~ ^'# '(CONFIG_[A-Z0-9_]+)' is not set' ]]; then
			name=${BASH_REMATCH[1]}
			! grep -q "^$name=" "$out/.config" || refused+=("$name=n")
		elif [[ $line =~ ^CONFIG_ ]]; then
			grep -qxF "$line" "$out/.config" || refused+=("$line")
		fi
	done < <(asked)
	[[ ${#refused[@]} -eq 0 ]] || die "the $kernel configuration lacks: ${refused[*]}"
}

# Prints what the fragments ask for; a later fragment overrides an earlier one. The
# fragments have the options' names of Linux 7.2.
asked() {
	awk '/^(# )?CONFIG_/ { name = $0; sub(/^# /, "", name); sub(/[= ].*/, "", name); last[name] = $0 }
		END { for (name in last) print last[name] }' "${fragments[@]}" | renamed
}

renamed() {
	if version_at_least "$SERIES" 7.3; then
		sed 's/^CONFIG_PROC_SYSCTL=/CONFIG_SYSCTL=/'
	else
		cat
	fi
}

configure() {
	say "configuring the $kernel kernel, Linux $version"
	"${make[@]}" -s rustavailable >&2 || die "Linux $version cannot use this Rust toolchain (see above)"
	"${make[@]}" -s tinyconfig >/dev/null
	asked >"$out/asked.config"
	(cd "$source" && LLVM=$llvm scripts/kconfig/merge_config.sh -m -O "$out" \
		"$out/.config" "$out/asked.config" >/dev/null)
	"${make[@]}" -s olddefconfig >&2
	verify_config
}

# Runs a long build and prints a line of progress every half minute.
with_progress() {
	local what=$1 begin=$SECONDS pid status=0
	shift
	"$@" >&2 9>&- &
	pid=$!
	while kill -0 "$pid" 2>/dev/null; do
		sleep 2
		if ((SECONDS - begin > 0 && (SECONDS - begin) % 30 < 2)); then
			say "$what: $((SECONDS - begin)) s, $(find "$out" -name '*.o' | wc -l) objects"
		fi
	done
	wait "$pid" || status=$?
	return "$status"
}

build() {
	local begin=$SECONDS
	say "building the $kernel kernel (about $minutes minutes on 2 cores)"
	with_progress "kernel $kernel" nice -n 5 "${make[@]}" -s -j"$(nproc)" ||
		die "the $kernel kernel does not build; its tree is $out"
	rm -rf "$out/install"
	"${make[@]}" -s modules_install INSTALL_MOD_PATH="$out/install" INSTALL_MOD_STRIP=1 >&2
	say "built the $kernel kernel in $((SECONDS - begin)) s"
}

# Makes what compiling the module needs of a kernel, without the kernel.
prepare() {
	local begin=$SECONDS
	say "preparing Linux $version to compile the module (about $minutes minutes on 2 cores)"
	with_progress "kernel $kernel" nice -n 5 "${make[@]}" -s -j"$(nproc)" modules_prepare ||
		die "Linux $version cannot be prepared; its tree is $out"
	# The symbols of a kernel that is not there.
	: >"$out/Module.symvers"
	say "prepared Linux $version in $((SECONDS - begin)) s"
}

lock_cache "source-$SERIES"
rustc=$(rustc_version)
version=$(cached_version)
if [[ -z $version ]]; then
	fetch_source
	version=$(cached_version)
fi
source=$CACHE/src/linux-$version

lock_cache "kernel-$SERIES-$kernel"
stamp=$(printf '%s\n' "$version" "$(rustc --version)" "$("$compiler" --version | sed -n 1p)" \
	"$BINDGEN_VERSION" "$(asked | sort | sha256sum)" ${barriers:+"$(sha256sum <"$barriers")"})
if [[ $(cat "$out/rlvs-stamp" 2>/dev/null || true) != "$stamp" ]]; then
	# make does not build everything anew that another toolchain or other flags have left: a build
	# is only taken up again if it was the same.
	if [[ $(cat "$out/rlvs-building" 2>/dev/null || true) != "$stamp" ]]; then
		rm -rf "$out"
		mkdir -p "$out"
		printf '%s\n' "$stamp" >"$out/rlvs-building"
	fi
	RUST_LIB_SRC=$(rust_lib_src "$rustc")
	export RUST_LIB_SRC
	kbuild_environment "$llvm"
	if [[ -n ${barriers:-} ]]; then
		cp "$barriers" "$out/"
		um_barriers "$out"
		# Disabling interrupts is a function of smp.c that would clear 128 bytes of its stack
		# before it sets them.
		KBUILD_ARGS+=("CFLAGS_smp.o=-ftrivial-auto-var-init=uninitialized")
	fi
	make=(make -C "$source" O="$out" "${KBUILD_ARGS[@]}")
	configure
	if [[ $kernel == prepared ]]; then prepare; else build; fi
	printf '%s\n' "$stamp" >"$out/rlvs-stamp"
fi
printf '%s\n' "$out"
