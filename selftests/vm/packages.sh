#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Installs what building and testing need, on Debian; says what is needed on
# anything else. Does nothing when everything is there.
#
# usage: packages.sh [build|guest|bench|report]...
set -euo pipefail
# shellcheck source=selftests/vm/lib.sh
source "$(dirname "$0")/lib.sh"

# To fetch and build the kernel, the module and the tool, and to boot the VM.
build_packages=(
	build-essential bc bison flex libelf-dev libssl-dev cpio kmod rsync
	xz-utils zstd perl python3 python3-pip python3-yaml python3-jsonschema ca-certificates
	debian-archive-keyring "clang-$LLVM_MAJOR" "lld-$LLVM_MAJOR"
	"llvm-$LLVM_MAJOR" "libclang-$LLVM_MAJOR-dev" qemu-system-x86 shellcheck
)

# What the demo and the tests run in the guest, which sees this machine's files.
guest_packages=(
	nginx-light curl wrk dnsmasq-base bind9-dnsutils iproute2 iputils-ping
	socat tcpdump tshark iperf3 ethtool nftables iptables conntrack ipvsadm
	netcat-openbsd jq psmisc procps busybox-static haproxy
	keepalived strace
)

# What only the benchmarks run, and what only their report is drawn with.
bench_packages=(libnginx-mod-stream)
report_packages=(python3-matplotlib)

# Services among them, which must not start on this machine by being installed.
services=(nginx ipvsadm iperf3 nftables haproxy keepalived)

wanted=()
[[ $# -gt 0 ]] || set -- build guest
for set in "$@"; do
	case $set in
	build) wanted+=("${build_packages[@]}") ;;
	guest) wanted+=("${guest_packages[@]}") ;;
	bench) wanted+=("${bench_packages[@]}") ;;
	report) wanted+=("${report_packages[@]}") ;;
	*) die "usage: packages.sh [build|guest|bench|report]..." ;;
	esac
done

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
	cat >&2 <<-EOF
		error: packages are installed by apt on Debian 12 and 13 only. Elsewhere, install what
		these Debian packages hold and use KDIR=<configured, Rust-enabled kernel tree>:
		    ${wanted[*]}
		rustc $RUSTC_MIN or newer, and bindgen $BINDGEN_VERSION, are needed too.
	EOF
	exit 1
fi

missing=()
for package in "${wanted[@]}"; do
	status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
	[[ $status == installed ]] || missing+=("$package")
done
[[ ${#missing[@]} -gt 0 ]] || exit 0

apt=(as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y
	-o Dpkg::Use-Pty=0 -o Acquire::Retries=3)

say "installing ${#missing[@]} packages with apt: ${missing[*]}"
"${apt[@]}" update

# On a machine run by systemd a masked unit is not started by its package; one
# that was there before is left as it was.
masked=()
if [[ -d /run/systemd/system ]]; then
	for service in "${services[@]}"; do
		systemctl cat "$service.service" >/dev/null 2>&1 || masked+=("$service.service")
	done
	[[ ${#masked[@]} -eq 0 ]] || as_root systemctl mask --quiet --runtime "${masked[@]}"
fi
unmask() {
	[[ ${#masked[@]} -gt 0 ]] || return 0
	as_root systemctl unmask --quiet --runtime "${masked[@]}"
	as_root systemctl disable --quiet "${masked[@]}" 2>/dev/null || true
}
trap unmask EXIT

"${apt[@]}" install --no-install-recommends "${missing[@]}" ||
	die "apt could not install the packages; is this Debian 12 or 13?"
