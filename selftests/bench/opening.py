# SPDX-License-Identifier: GPL-2.0
"""First packets of connections, while the tables of connections do not grow.

Tables grow by doubling, in a worker: that would be a part of some samples and not of others. So
they are filled first to just beyond the point at which those of rlvs have grown (rhashtable: three
quarters, of two links for each connection), and there is room for what is measured.
"""

import sys
import time

from lab import CLIENT, PORT, RECEIVE, VIP, Bench
from lib.packets import datagram, segment
from pace import PACE

FILL = 50000
# The next time is at 98304 connections.
ROOM = 40000


class Clients:
    """Connections of which each is opened once: two of one client would meet at a destination."""

    def __init__(self, protocol="tcp", version=4):
        self.protocol, self.version = protocol, version
        self.used = 0

    def open(self, port, count):
        """Nanoseconds for the first packet of so many connections; and where the last went."""
        ends = CLIENT[self.version], VIP[self.version], PORT, port
        packet = datagram(*ends, b"x" * 64)
        if self.protocol == "tcp":
            packet = segment(*ends, flags="S", seq=1000)
        PACE.wait()
        seconds, (arrived, _, target) = Bench.send(RECEIVE, [packet], count, ports=50000,
                                                   flows=1 << 30, first=self.used)
        self.used += count
        if arrived != count:
            sys.exit(f"{arrived} of {count} first packets arrived, the last at port {target}")
        return seconds / count * 1e9, target

    def fill(self, port):
        """Makes the tables large enough for what follows."""
        self.open(port, FILL)
        time.sleep(0.3)
