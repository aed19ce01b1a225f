# SPDX-License-Identifier: GPL-2.0
"""What a TCP connection costs that is opened, accepted and closed, without any data.

The client is in a network namespace of its own. It closes first, with a FIN: seven packets. Its
namespace keeps no sockets in TIME_WAIT (tcp_max_tw_buckets=0), so that its ports do not run out.
"""

import sys

from lab import (OPENING, PROCESS, SERVICE, STEERING, UNCOUNTED, generator, listening,
                 translates)
from opening import ROOM, Clients
from pace import PACE

TARGETS = {"rlvs nat": 0.5, "rlvs steer": 0.25, UNCOUNTED: 0.25}
VERSIONS = (4, 6)
# Those of IPv4 are in one table.
FIRST = (("tcp", 4), ("udp", 4), ("tcp", 6))


def whole(bench, name, version, results, count):
    """From SYN to the last FIN, end to end."""
    listener = bench.sockets["tcp", version]
    if name == "direct":
        listener = listening(SERVICE, "tcp", version, v6only=version == 6)
    bench.connect(version, listener, count // 10)
    seconds = PACE.steady(lambda: bench.connect(version, listener, count))
    if name == "direct":
        listener.close()
    results.add(f"connection.whole.tcp{version}", "a connection, from SYN to the last FIN",
                "ns", name, seconds / count * 1e9)


def first_packet(name, protocol, version, results, count):
    """The first packet of so many flows, each of another port or address."""
    clients = Clients(protocol, version)
    clients.fill(SERVICE)
    cost, target = clients.open(SERVICE, count)
    if target != (PROCESS if translates(name) else SERVICE):
        sys.exit(f"{name}, first {protocol}{version}: the last went to port {target}")
    results.add(f"connection.first.{protocol}{version}",
                f"the first packet of a {protocol}{version} flow", "ns", name, cost)


def measure(bench, results, plan):
    whole_count, first_count = plan.packets // 50, min(plan.packets // 5, ROOM // 2)
    bench.clients()
    for number in range(plan.rounds):
        for name, contender in OPENING.items():
            # Not in the way of what is not its own: its hooks only look at a mark.
            with generator(), contender():
                for version in VERSIONS:
                    whole(bench, name, version, results, whole_count)
                for protocol, version in FIRST:
                    if protocol == "tcp" or name not in STEERING:
                        first_packet(name, protocol, version, results, first_count)
        print(f"# connection: round {number + 1} of {plan.rounds}", flush=True)
    for name, limit in TARGETS.items():
        for version in VERSIONS:
            for measured in ("whole", "first"):
                results.target(f"connection.{measured}.tcp{version}", name,
                               "cost over direct, of ip_vs's", "over_direct_of_ip_vs", limit)
