#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Boots a built kernel in QEMU with this machine's file system as its root
# (changes are thrown away), and runs a command as root. Its network devices are
# joined to each other and to nothing else.
#
# usage: KDIR=<built kernel tree> RLVS_KO=<module> VM_LOG=<file> boot.sh [COMMAND]
#
# Without COMMAND the guest gives an interactive shell. The kernel's log goes to
# VM_LOG. VM_TIMEOUT is the limit in seconds for a COMMAND, VM_MEMORY the guest's
# memory, VM_APPEND further arguments of its kernel. The exit status is COMMAND's; it
# is 1 if the kernel complained about anything, 124 if the guest hung and 125 if it
# died.
set -euo pipefail
# shellcheck source=selftests/vm/lib.sh
source "$(dirname "$0")/lib.sh"

: "${KDIR:?}" "${RLVS_KO:?}" "${VM_LOG:?}"
VM_TIMEOUT=${VM_TIMEOUT:-900}
VM_MEMORY=${VM_MEMORY:-4G}
command=${1-}
image=$KDIR/arch/x86/boot/bzImage
[[ -r $image ]] || die "$KDIR holds no built x86 kernel (arch/x86/boot/bzImage)"
mkdir -p "$(dirname "$VM_LOG")"
: >"$VM_LOG"

# Whether /dev/kvm really runs a kernel: the device node alone says little. The
# kernel boots without a root and must get as far as missing it. The answer
# holds for one boot of this machine.
kvm_works() {
	local answer log
	answer=$CACHE/kvm-$(cat /proc/sys/kernel/random/boot_id)
	if [[ ! -e $answer ]]; then
		rm -f "$CACHE"/kvm-*
		log=$(mktemp)
		echo no >"$answer"
		if [[ -w /dev/kvm ]]; then
			say "trying whether KVM works (at most 20 s)"
			(timeout --signal=KILL 20 qemu-system-x86_64 -accel kvm -cpu host -smp 2 -m 512 \
				-display none -no-reboot -serial "file:$log" -kernel "$image" \
				-append 'console=ttyS0 panic=-1' </dev/null || true) >/dev/null 2>&1
			! grep -q 'not syncing: VFS' "$log" || echo yes >"$answer"
			say "KVM works: $(cat "$answer")"
		fi
		rm -f "$log"
	fi
	[[ $(cat "$answer") == yes ]]
}

mkdir -p "$BUILD"
state=$(mktemp -d "$BUILD/vm.XXXXXX")
trap 'rm -rf "$state"' EXIT
printf '%s\n' "$command" >"$state/command"
cat >"$state/environment" <<EOF
export KDIR='$KDIR' RLVS_KO='$RLVS_KO' RLVS_ROOT='$ROOT' RLVS_PYTHON='${RLVS_PYTHON-}'
rlvs_modules='${VM_MODULES:-$KDIR/install/lib/modules}'
rlvs_tools='$BUILD/tool/release'
EOF

if kvm_works; then
	accelerator=(-accel kvm -cpu host)
	machine=q35
	parameters=
else
	# Emulated processors share one counter; comparing them, as the kernel does
	# with a clock that it distrusts, now and then hangs the boot. The kernel is
	# told that counter's frequency: what it measures itself is wrong, by twenty
	# times with the PIT and a busy machine, and then time runs too fast. A busy
	# machine also leaves a processor of the guest waiting for half a minute: the
	# kernel is to take one for stuck after two, and not to panic at boot because
	# ten ticks of the timer did not come in time.
	# shellcheck disable=SC2054 # the commas are in QEMU's options
	accelerator=(-accel tcg,thread=multi -cpu max,la57=off)
	machine=q35,pit=off
	parameters='tsc=reliable no_timer_check watchdog_thresh=60 rcupdate.rcu_cpu_stall_timeout=120 sysctl.kernel.hung_task_timeout_secs=300'
	if khz=$("$ROOT/selftests/vm/tsc.py"); then
		parameters+=" tsc_early_khz=$khz"
	fi
fi
# The guest's root is this machine's, which hardly changes meanwhile, so the
# guest may believe its caches: without them each program start reads it all
# again.
rootflags=version=9p2000.L,trans=virtio,access=any,msize=512000,cache=loose

# QEMU by hand, and guest.sh as the first process: virtme-ng boots the same way
# but starts the machine's udev and systemd-tmpfiles, half a minute of emulation.
# shellcheck disable=SC2054 # the commas are in QEMU's options
qemu=(
	qemu-system-x86_64 -machine "$machine" "${accelerator[@]}" -smp 2 -m "$VM_MEMORY" -nic none -display none
	-no-reboot -monitor none -serial "file:$VM_LOG" -device virtio-rng-pci
	-fsdev "local,id=root,path=/,security_model=none,readonly=on,multidevs=remap"
	-device virtio-9p-pci,fsdev=root,mount_tag=root -device virtio-serial-pci
	-kernel "$image"
	-append "console=ttyS0 earlycon=uart8250,io,0x3f8 ignore_loglevel printk.time=1 panic=-1 \
root=root rootfstype=9p rootflags=$rootflags ro $parameters ${VM_APPEND-} init=$ROOT/selftests/vm/guest.sh rlvs.state=$state"
)

# Two network cards for tests of real devices' offloads, at the ends of one cable.
cable=("$ROOT/selftests/vm/cable.py" 30 31)
if "${cable[@]}" true; then
	# shellcheck disable=SC2054 # the commas are in QEMU's options
	qemu=(
		"${cable[@]}" "${qemu[@]}"
		-netdev tap,id=end0,fd=30 -device virtio-net-pci,netdev=end0,romfile=
		-netdev tap,id=end1,fd=31 -device virtio-net-pci,netdev=end1,romfile=,mac=52:54:00:12:34:57
	)
else
	say "the guest has no network cards; tests that need them are skipped"
fi

# An interactive guest has no limit and no verdict.
if [[ -z $command ]]; then
	say "the kernel's log goes to $VM_LOG; leave the guest with Ctrl-D"
	"${qemu[@]}" -chardev stdio,id=terminal,signal=off -device virtconsole,chardev=terminal
	exit
fi

# QEMU truncates what it writes its output to, hence the pipes.
boot() {
	status=0
	: >"$VM_LOG"
	timeout --kill-after=10 "$VM_TIMEOUT" "${qemu[@]}" \
		-chardev file,id=out,path=/proc/self/fd/1 -device virtserialport,chardev=out,name=stdout \
		-chardev file,id=err,path=/proc/self/fd/2 -device virtserialport,chardev=err,name=stderr \
		</dev/null 2> >(cat >&2) | cat || status=${PIPESTATUS[0]}
}

# Emulated interrupt hardware once in some hundred boots kills the kernel in its first second,
# long before there is anything of ours.
boot
if ! grep -q 'rlvs-vm: ' "$VM_LOG" && [[ $status -eq 0 ]]; then
	cp "$VM_LOG" "$VM_LOG.first"
	say "the kernel died while it booted (its log is $VM_LOG.first); trying once more"
	boot
fi

end=$(grep -o 'rlvs-vm: command exited with [0-9]*, kernel tainted [0-9]*' "$VM_LOG" | tail -n 1 || true)
if [[ -z $end ]]; then
	tail -n 25 "$VM_LOG" >&2
	if [[ $status -eq 124 || $status -eq 137 ]]; then
		say "the guest hung for $VM_TIMEOUT s and was killed; its log is $VM_LOG"
		exit 124
	fi
	say "the guest died (QEMU: $status); its log is $VM_LOG"
	exit 125
fi
status=$(cut -d ' ' -f 5 <<<"${end%%,*}")
taint=${end##* }

# Out-of-tree (4096) and unsigned (8192) are what our module is.
if ((taint & ~(4096 | 8192))); then
	say "the guest's kernel is tainted ($taint); its log is $VM_LOG"
	grep -E -m 5 -A 25 "$complaint" "$VM_LOG" >&2 || tail -n 25 "$VM_LOG" >&2
	[[ $status -ne 0 ]] || status=1
elif grep -qE "$complaint" "$VM_LOG"; then
	say "the guest's kernel complained; its log is $VM_LOG"
	grep -E -m 5 -A 25 "$complaint" "$VM_LOG" >&2
	[[ $status -ne 0 ]] || status=1
fi
exit "$status"
