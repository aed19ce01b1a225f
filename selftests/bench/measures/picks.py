# SPDX-License-Identifier: GPL-2.0
"""What the first packet of a connection costs by scheduler and number of destinations.

That is a pick and the entry that remembers it; what the pick alone costs is measured on the host
(rust/core/benches). The packets end before the socket, so that no destination becomes busier than
the balancer thinks.
"""

import sys

from configure import BALANCERS, processes
from lab import generator
from opening import ROOM, Clients

FIRST = 20000
SIZES = (1, 16, 256, 4096)
QUICK = ("rr", "wlc", "mh", "p2c")
FULL = QUICK + ("wrr", "lc", "sed", "nq", "sh", "dh", "fo", "ovf", "twos", "jsq")
# Those that ip_vs does not have.
OWN = ("p2c", "jsq")
# More than the table of mh has slots, which are 4093 unless told otherwise.
TOO_MANY = ("mh", 4096)


def one_contender(name, balancer, schedulers, clients, results, turn):
    """All schedulers and sizes, each a service of its own; who is first changes by turns."""
    services = [(scheduler, size) for scheduler in schedulers for size in SIZES
                if (scheduler, size) != TOO_MANY and not (name == "ip_vs" and scheduler in OWN)]
    services = list(enumerate(services, 1000))
    for port, (scheduler, size) in services:
        balancer.service(port, scheduler, FIRST, FIRST + size - 1)
    balancer.batch.flush()
    clients.fill(services[0][0])
    turn = turn * 5 % len(services)
    for port, (scheduler, size) in services[turn:] + services[:turn]:
        count = ROOM // len(services)
        clients.open(port, count // 10)
        cost, target = clients.open(port, count)
        if (name == "direct") != (target == port):
            sys.exit(f"{name}, {scheduler}, {size} destinations: went to port {target}")
        results.add(f"picks.{scheduler}.{size}", f"the first packet, {scheduler}, {size} destinations",
                    "ns", name, cost)


def measure(_bench, results, plan):
    schedulers = FULL if plan.full else QUICK
    with processes(FIRST, FIRST + SIZES[-1] - 1):
        for number in range(plan.rounds):
            clients = Clients()
            for name in ("direct", "rlvs nat", "ip_vs"):
                with generator(), BALANCERS[name]() as balancer:
                    one_contender(name, balancer, schedulers, clients, results, number)
            print(f"# picks: round {number + 1} of {plan.rounds}", flush=True)
    results.note("picks: mh with 4096 destinations was not measured, its table is smaller")
