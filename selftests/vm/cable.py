#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Runs a command, QEMU, with a cable for the two network cards of its guest.

    cable.py FD FD COMMAND...

The ends of the cable are tap devices, which the command gets open as these file
descriptors. They are joined by a bridge, in a network namespace that has nothing else
and goes away with the command. A tap, unlike QEMU's own networks, takes packets whose
checksum and segmentation the guest has left to its device, and hands them on as such.

Needs /dev/net/tun, and no privilege: who is not root makes the namespace as the root of
a user namespace. The command itself runs in neither, so files keep their owners. Where
there is no cable to be had the command is not run, and the exit status is 1.
"""

import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import sys

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 0x0002, 0x1000, 0x4000
NAMES = ("end0", "end1")


def enter_namespace():
    """Leaves this process alone in a network namespace, as its administrator."""
    user, group = os.getuid(), os.getgid()
    libc = ctypes.CDLL(None, use_errno=True)
    flags = CLONE_NEWNET | (CLONE_NEWUSER if user != 0 else 0)
    if libc.unshare(flags) != 0:
        raise OSError(ctypes.get_errno(), "no network namespace of our own")
    if user != 0:
        for file, line in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"),
                           ("gid_map", f"0 {group} 1")):
            with open(f"/proc/self/{file}", "w", encoding="ascii") as proc:
                proc.write(line)


def open_tap(name):
    """A new tap device of the namespace, which lives while it is open."""
    tap = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", name.encode("ascii"),
                                            IFF_TAP | IFF_NO_PI | IFF_VNET_HDR))
    return tap


def make_ends(parent):
    """In a process of its own: makes the cable and sends its ends to the parent."""
    enter_namespace()
    taps = [open_tap(name) for name in NAMES]
    lines = ["link add cable type bridge stp_state 0 mcast_snooping 0", "link set cable up"]
    for name in NAMES:
        lines += [f"link set {name} mtu 9000 master cable", f"link set {name} up"]
    subprocess.run(["ip", "-batch", "-"], input="\n".join(lines) + "\n", text=True, check=True)
    socket.send_fds(parent, [b"cable"], taps)


def main(arguments):
    """Makes the cable, then becomes the command."""
    wanted, command = [int(number) for number in arguments[:2]], arguments[2:]
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            make_ends(theirs)
            status = 0
        except (OSError, subprocess.CalledProcessError) as fault:
            print(f"no cable for the guest's network cards: {fault}", file=sys.stderr)
        os._exit(status)
    theirs.close()
    _, taps, _, _ = socket.recv_fds(ours, 16, len(wanted))
    os.waitpid(child, 0)
    if len(taps) != len(wanted):
        return 1
    for tap, number in zip(taps, wanted, strict=True):
        os.dup2(tap, number, inheritable=True)
        os.close(tap)
    os.execvp(command[0], command)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
