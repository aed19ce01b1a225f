# SPDX-License-Identifier: GPL-2.0
"""Throughput of one TCP stream, both ways: large segments, between two hosts joined by veth.

As with whole connections (whole.py), slices of direct streams and of a contender's take turns, and
the ratios of neighbours count.
"""

import collections
import os
import statistics
import subprocess
import sys

from lab import CONTENDERS, PROCESS, SERVICE, VIP, translates
from lib.lab import Lab

# Bytes in a slice, and slices of direct streams, each with one of a contender's beside it.
BYTES, SLICES = 24 << 20, 8
# On average a packet has at least so many bytes: else no segments were large.
LARGE = 16384
TARGETS = {"rlvs nat": 0.95, "rlvs steer": 0.99}
WAYS = ("to", "from")


class Site:
    """Two hosts with one contender, and the process that is both ends of streams."""

    def __init__(self, name, version):
        self.name, self.version, self.lab = name, version, Lab()
        # Contenders have a service in each family.
        self.lab.lb.ip(f"addr add {VIP[4]}/32 dev lo", f"addr add {VIP[6]}/128 dev lo nodad")
        self.lab.client.ip(f"route add {VIP[4]}/32 via 192.0.2.1",
                           f"route add {VIP[6]}/128 via 2001:db8::1")
        self.process_port = PROCESS if translates(name) else SERVICE
        with self.lab.lb:
            self.process = subprocess.Popen(
                [os.environ["BENCH_STREAM"], self.lab.client.path, VIP[version], str(SERVICE),
                 str(PROCESS if name != "direct" else SERVICE)],
                text=True, bufsize=1, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.answer()

    def answer(self):
        line = self.process.stdout.readline().split()
        if not line:
            sys.exit(f"bulk: {self.name}: selftests/bench/stream.c has ended")
        return line

    def counted(self, way):
        """Bytes and packets that the host's device has received or sent."""
        lines = self.lab.lb.read("/proc/thread-self/net/dev").splitlines()
        counts = next(line for line in lines if line.strip().startswith("wan:")).split()[1:]
        return [int(count) for count in (counts[:2] if way == "to" else counts[8:10])]

    def throughput(self, way):
        """Gigabytes in a second."""
        before = self.counted(way)
        print(BYTES, WAYS.index(way), file=self.process.stdin, flush=True)
        nanoseconds, port = map(int, self.answer())
        octets, packets = (now - then for now, then in zip(self.counted(way), before))
        if port != self.process_port or octets < BYTES or octets < LARGE * packets:
            sys.exit(f"bulk: {self.name}: a stream to port {port}, {octets} bytes in {packets} "
                     "packets")
        return BYTES / nanoseconds

    def close(self):
        """Lets go of the hosts."""
        self.process.kill()
        self.process.communicate()
        self.lab.lb.close()
        self.lab.client.close()


def pair(number, base, site, way):
    """Throughput of a slice of each; which of the two is first takes turns as well."""
    if number % 2:
        return base.throughput(way), site.throughput(way)
    other = site.throughput(way)
    return base.throughput(way), other


def compare(name, base, slices):
    """For each way: what direct streams reach, slice by slice, and the part of it that a
    contender does."""
    site = Site(name, base.version)
    try:
        # The contenders' programs act in the namespace that they are started in.
        with site.lab.lb, CONTENDERS[name]():
            pairs = {way: [pair(number, base, site, way) for number in range(slices)]
                     for way in WAYS}
    finally:
        site.close()
    return {way: ([one for one, _ in found],
                  statistics.median(other / one for one, other in found))
            for way, found in pairs.items()}


def one_round(version, slices, reached, parts):
    base = Site("direct", version)
    for name in CONTENDERS:
        for way, (beside, part) in compare(name, base, slices).items():
            reached[way] += beside
            parts[way][name].append(part)
    base.close()


def family(results, plan, version):
    reached = collections.defaultdict(list)
    parts = {way: collections.defaultdict(list) for way in WAYS}
    for number in range(plan.rounds):
        one_round(version, SLICES * (2 if plan.full else 1), reached, parts)
        print(f"# bulk: IPv{version}, round {number + 1} of {plan.rounds}", flush=True)
    for way in WAYS:
        which = f"bulk.{way}.tcp{version}"
        title = f"one TCP stream over IPv{version} {way} the process"
        for name, values in parts[way].items():
            for part in values:
                results.add(which, title, "GB/s", name, statistics.median(reached[way]) * part)
        for name, limit in TARGETS.items():
            results.target(which, name, "throughput, of direct's", "of_direct", limit)


def measure(_bench, results, plan):
    for version in (4, 6) if plan.full else (4,):
        family(results, plan, version)
    if not plan.full:
        results.note("bulk: IPv6 is measured by FULL=1 only")
