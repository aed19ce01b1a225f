# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The tools that kernel, module and VM need and that distributions do not carry
# at the right version: the standard library's sources and bindgen.
# Sourced after lib.sh.

# Prints the folder of the standard library's sources of exactly this rustc,
# fetching them where the toolchain has none.
rust_lib_src() {
	local version=$1 own package
	own=$(rustc --print sysroot)/lib/rustlib/src/rust/library
	if [[ -f $own/core/src/lib.rs ]]; then
		printf '%s\n' "$own"
		return 0
	fi
	if [[ ! -f $CACHE/rust-src-$version/library/core/src/lib.rs ]]; then
		package=$("$ROOT/selftests/vm/newer-suites.sh" versions rust-src |
			grep "^${version//./\\.}+dfsg" | tail -n 1 || true)
		if [[ -n $package ]]; then
			unpack_rust_src "$version" "$package"
		elif command -v rustup >/dev/null; then
			say "adding rust-src to the rustup toolchain"
			rustup component add rust-src >&2
			printf '%s\n' "$own"
			return 0
		else
			die "no sources of the standard library of rustc $version: install its rust-src"
		fi
	fi
	printf '%s\n' "$CACHE/rust-src-$version/library"
}

unpack_rust_src() {
	local version=$1 package=$2 tmp=$CACHE/rust-src-$1.tmp
	rm -rf "$tmp"
	"$ROOT/selftests/vm/newer-suites.sh" unpack rust-src "$package" "$tmp"
	mkdir -p "$CACHE/rust-src-$version"
	mv "$tmp/usr/src/rustc-$version/library" "$CACHE/rust-src-$version/library"
	rm -rf "$tmp"
}

# Prints the bindgen to use: a new enough one of the machine's, else our own.
bindgen_path() {
	local own=$CACHE/bindgen-$BINDGEN_VERSION/bin/bindgen version
	if [[ ! -x $own ]] && command -v bindgen >/dev/null; then
		version=$(bindgen --version | awk '{ print $2 }')
		if version_at_least "$version" 0.71.1; then
			command -v bindgen
			return 0
		fi
	fi
	if [[ ! -x $own ]]; then
		say "building bindgen $BINDGEN_VERSION (two minutes)"
		CARGO_TARGET_DIR=$CACHE/bindgen-build cargo install --quiet bindgen-cli \
			--version "$BINDGEN_VERSION" --locked --root "${own%/bin/bindgen}" >&2
		rm -rf "$CACHE/bindgen-build"
	fi
	printf '%s\n' "$own"
}

# Prints what LLVM= is to be for a kernel tree: the clang that built it, or
# nothing for a tree that gcc built.
llvm_of() {
	local major
	grep -q '^CONFIG_CC_IS_CLANG=y' "$1/.config" || return 0
	major=$(sed -n 's/^CONFIG_CC_VERSION_TEXT=".*clang version \([0-9]*\)\..*/\1/p' "$1/.config")
	if [[ -n $major ]] && command -v "clang-$major" >/dev/null; then
		printf -- '-%s\n' "$major"
	else
		printf '1\n'
	fi
}

# Fills the array KBUILD_ARGS and exports what Kbuild takes from the
# environment. $1: what LLVM= is to be, if anything.
kbuild_environment() {
	local llvm=$1
	KBUILD_ARGS=(BINDGEN="$(bindgen_path)")
	[[ -z $llvm ]] || KBUILD_ARGS+=(LLVM="$llvm")
	# bindgen finds a libclang by itself where there is one without a version.
	if [[ -z ${LIBCLANG_PATH:-} && -d /usr/lib/llvm-$LLVM_MAJOR/lib ]]; then
		export LIBCLANG_PATH=/usr/lib/llvm-$LLVM_MAJOR/lib
	fi
}

# Has everything be built with the barriers that our tree for User Mode Linux has beside it.
um_barriers() {
	[[ ! -f $1/um-barriers.h ]] || export KCPPFLAGS="-include $1/um-barriers.h"
}
