# SPDX-License-Identifier: GPL-2.0
"""Checksums and contents are right over virtio network cards, with each setting of offloads.

Unlike a veth pair they compute what is left to them, and split: the packets go through
QEMU, whose cable takes the work over or hands it on. What they verify on reception
cannot be switched off.
"""

import os
import subprocess

from lib import kernel, matrix
from lib.ktap import Skip, seconds
from lib.lab import DistantLab

LIMIT = 600
PLAIN_ONLY = "packet/matrix_veth runs the same code"
DEVICES = "/sys/class/net"


def cards():
    """The names of the virtio cards that are in the first network namespace."""
    found = []
    for name in sorted(os.listdir(DEVICES)):
        driver = os.path.join(DEVICES, name, "device/driver")
        if os.path.basename(os.path.realpath(driver)) == "virtio_net":
            found.append(name)
    return found


class VirtioLab(DistantLab):
    """The lab with a cable between two cards as its link."""

    summing = ("tx",)

    def plug(self):
        """Moves the cards to the hosts; they come back when these have gone."""
        for card, host, name in zip(cards(), (self.lb, self.client), ("wan", "eth"), strict=True):
            subprocess.run(["ip", "link", "set", card, "netns", host.path, "name", name],
                           check=True, timeout=seconds(20))
        return []


def make_lab():
    """The lab, if the guest has the cards."""
    kernel.need("virtio_net")
    if not cards():
        raise Skip("this machine has no two virtio network cards")
    return matrix.make_lab(VirtioLab)


def test_every_setting(lab):
    """With checksum offload on and off, gso and gro on and off, csum_complete 0 and 1."""
    matrix.run(lab)
