# SPDX-License-Identifier: GPL-2.0
"""Whole connections, from one user space to another: connect, eight bytes there and back, close.

Eight workers behind each contender; see selftests/bench/connections.c for both ends, and
selftests/lib/contenders.py for how each contender is set up.

A machine's speed changes more from one second to the next than what is looked for. So slices of
direct connections and of a contender's take turns; of the differences between neighbours the
median counts in each round. A contender's sample is that and the median of all direct ones. Direct
is compared with itself as well: its samples show what is noise.
"""

import collections
import os
import statistics
import subprocess
import sys

from lab import UNCOUNTED
from lib import kernel
from lib.contenders import (PORT, PORTS, Contender, HaProxy, IpVs, Nftables, Nginx,
                            ReusePort, Rlvs)
from lib.lab import TCP4, Lab

ID = "whole.tcp4"
TITLE = "a connection from connect to close, both user spaces included"
# Connections between two looks at the clock, and such slices of direct connections, each with one
# of a contender's beside it, in a round.
SLICE, SLICES = 150, 8
TARGETS = {"rlvs nat": 0.5, "rlvs steer": 0.25, UNCOUNTED: 0.25}


class Site:
    """Two hosts with one contender, and the process that opens and serves connections."""

    # Of each contender: how it is made, what clients connect to, and the ports that
    # workers see them come to.
    KINDS = {
        "direct": (Contender, PORTS, PORTS),
        "rlvs nat": (lambda lab: Rlvs(lab, "nat"), [PORT], PORTS),
        "rlvs steer": (lambda lab: Rlvs(lab, "steer"), [PORT], [PORT]),
        UNCOUNTED: (lambda lab: Rlvs(lab, "steer", "rr", "uncounted"), [PORT], [PORT]),
        "ip_vs": (IpVs, [PORT], PORTS),
        "nftables": (Nftables, [PORT], PORTS),
        "SO_REUSEPORT": (ReusePort, [PORT], [PORT]),
        "HAProxy": (HaProxy, [PORT], PORTS),
        "nginx stream": (Nginx, [PORT], PORTS),
    }

    def __init__(self, name):
        make, self.targets, self.arrive = self.KINDS[name]
        self.name, self.lab = name, Lab()
        self.contender = make(self.lab)
        command = [os.environ["BENCH_CONNECTIONS"], self.lab.client.path, TCP4.vip]
        with self.lab.lb:
            self.process = subprocess.Popen(
                command + [str(port) for port in self.contender.ports], text=True, bufsize=1,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.answer()
        self.contender.begin()

    def answer(self):
        line = self.process.stdout.readline().split()
        if not line:
            sys.exit(f"whole: {self.name}: selftests/bench/connections.c has ended")
        return line

    def connect(self, count):
        """Microseconds for each of so many connections."""
        resent = self.lab.client.netstat("TCPSynRetrans")
        print(count, self.targets[0], self.targets[-1], file=self.process.stdin, flush=True)
        nanoseconds, port, *served = map(int, self.answer())
        if sum(served) != count or port not in self.arrive or min(served) == 0:
            sys.exit(f"whole: {self.name}: the workers served {served} of {count} connections, "
                     f"the last at port {port}")
        resent = self.lab.client.netstat("TCPSynRetrans") - resent
        if resent:
            sys.exit(f"whole: {self.name}: {resent} of {count} SYNs were lost")
        return nanoseconds / count / 1e3

    def __enter__(self):
        self.connect(SLICE)
        return self

    def __exit__(self, *_):
        """Lets go of the hosts."""
        self.contender.end()
        self.process.kill()
        self.process.communicate()
        self.lab.lb.close()
        self.lab.client.close()


def pair(number, base, site):
    """What a connection of a slice of each costs; which of the two is first takes turns as well."""
    if number % 2:
        return base.connect(SLICE), site.connect(SLICE)
    other = site.connect(SLICE)
    return base.connect(SLICE), other


def compare(name, base, slices):
    """What a direct connection costs, slice by slice, and how much more with a contender."""
    with Site(name) as site:
        pairs = [pair(number, base, site) for number in range(slices)]
    return [one for one, _ in pairs], statistics.median(other - one for one, other in pairs)


def measure(_bench, results, plan):
    slices = SLICES * (4 if plan.full else 1)
    costs, differences = [], collections.defaultdict(list)
    for number in range(plan.rounds):
        with Site("direct") as base:
            for name in Site.KINDS:
                beside, more = compare(name, base, slices)
                costs += beside
                differences[name].append(more)
        print(f"# whole: round {number + 1} of {plan.rounds}", flush=True)
    if kernel.loaded():
        kernel.remove()
    for name, values in differences.items():
        for more in values:
            results.add(ID, TITLE, "us", name, statistics.median(costs) + more)
    for name, limit in TARGETS.items():
        results.target(ID, name, "cost over direct, of ip_vs's", "over_direct_of_ip_vs", limit)
