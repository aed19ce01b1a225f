# SPDX-License-Identifier: GPL-2.0
"""How costs grow with the number of connections, services and destinations."""

import sys
import time

from configure import BALANCERS, processes
from lab import (CONTENDERS, PROCESS, RECEIVE, SERVICE, STEERING, Bench, Flow, generator,
                 translates)
from opening import ROOM, Clients
from pace import PACE

FEW, EACH, DESTINATIONS = 1000, 10, 1000
# Ports of the service with many destinations, of those destinations, of the many services.
MANY, FIRST, OTHERS = 90, 20000, 30000
# So that one flow is not beside the next one in memory.
STRIDE = 7919


def packets(name, flow, flows, count):
    """Nanoseconds for a packet of one of so many flows, all in turn."""
    def send():
        return Bench.send(RECEIVE, [flow.request()], count, ports=50000, flows=flows,
                          stride=STRIDE)
    seconds, (arrived, _, target) = PACE.steady(send)
    if arrived != count or target != (PROCESS if translates(name) else SERVICE):
        sys.exit(f"{name}, {flows} flows: {arrived} of {count} arrived, the last at {target}")
    return seconds / count * 1e9


def connections(name, results, most, count):
    """Established flows, of UDP: one packet opens each."""
    flow = Flow("udp", 4, translates(name))
    for flows in (FEW, most):
        packets(name, flow, flows, flows)
        # A table grows in a worker.
        time.sleep(0.2)
        packets(name, flow, flows, count // 10)
        cost = packets(name, flow, flows, count)
        results.add(f"scale.connections.{flows}", f"a packet of one of {flows} udp4 flows", "ns",
                    name, cost)


def opened(name, clients, port, results, measured, title):
    """The first packet of a connection to a port."""
    clients.open(port, ROOM // 50)
    cost, target = clients.open(port, ROOM // 5)
    if (name == "direct") != (target == port) and translates(name):
        sys.exit(f"{name}, {title}: went to port {target}")
    results.add(measured, title, "ns", name, cost)


def services(name, balancer, results, many):
    """First packets with few and with many services and destinations."""
    clients = Clients()
    balancer.service(SERVICE, "rr")
    balancer.service(MANY, "rr", FIRST, FIRST + DESTINATIONS - 1)
    balancer.batch.flush()
    clients.fill(SERVICE)
    opened(name, clients, SERVICE, results, "scale.services.1", "the first packet, 2 services")
    opened(name, clients, MANY, results, f"scale.destinations.{DESTINATIONS}",
           f"the first packet, {DESTINATIONS} destinations")
    begun = time.monotonic()
    for port in range(OTHERS, OTHERS + many):
        balancer.service(port, "rr", FIRST, FIRST + EACH - 1)
    balancer.batch.flush()
    if name != "direct":
        results.add(f"scale.configure.{many}", f"{many} services with {EACH} destinations each",
                    "s", name, time.monotonic() - begun)
    opened(name, clients, SERVICE, results, f"scale.services.{many}",
           f"the first packet, {many} services")


def targets(results, most, many):
    results.target(f"scale.connections.{most}", "rlvs nat", f"cost over direct, of that with {FEW}",
                   "over_direct_of_other", 1.5, f"scale.connections.{FEW}")
    for name in results.measures["scale.services.1"]["samples"]:
        if not name.startswith("rlvs"):
            continue
        results.target(f"scale.services.{many}", name, "cost over direct, of that with few",
                       "over_direct_of_other", 1.2, "scale.services.1")
        results.target(f"scale.destinations.{DESTINATIONS}", name,
                       "cost over direct, of that with one", "over_direct_of_other", 1.2,
                       "scale.services.1")
    results.target(f"scale.configure.{many}", "rlvs nat", "seconds", "at_most", 5 * many / 10000)


def measure(_bench, results, plan):
    most, many = (1000000, 10000) if plan.full else (100000, 1000)
    balancers = [name for name in BALANCERS if plan.full or name not in STEERING]
    for number in range(plan.rounds):
        for name in ("direct", "rlvs nat", "ip_vs", "nftables"):
            with generator(), CONTENDERS[name]():
                connections(name, results, most, plan.packets)
        with processes(FIRST, FIRST + DESTINATIONS - 1):
            for name in balancers:
                with generator(), BALANCERS[name]() as balancer:
                    services(name, balancer, results, many)
        print(f"# scale: round {number + 1} of {plan.rounds}", flush=True)
    targets(results, most, many)
    if not plan.full:
        results.note(f"scale: {most} connections stand for a million, and {many} services for"
                     " 10000, which FULL=1 measures; so it does steering")
    results.note("scale: packets of steered connections find their sockets, of which there are none"
                 " here: scale.connections leaves rlvs steer out")
