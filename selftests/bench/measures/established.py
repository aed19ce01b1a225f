# SPDX-License-Identifier: GPL-2.0
"""What a packet of an established flow costs on its way through the host."""

import sys

from lab import CONTENDERS, KINDS, PROCESS, RECEIVE, SEND, SERVICE, Bench, Flow, generator, translates
from pace import PACE

TARGETS = {"rlvs nat": 0.5, "rlvs steer": 0.1}


def timed(name, way, packet, count, wanted):
    """Nanoseconds for each packet; `wanted` is the source and target port of the last."""
    Bench.send(way, [packet], count // 10)
    seconds, result = PACE.steady(lambda: Bench.send(way, [packet], count))
    for got, port in zip(result, (count, *wanted)):
        if port is not None and got != port:
            sys.exit(f"{name}: of {count} packets to come as {wanted} came {result}")
    return seconds / count * 1e9


def both_ways(name, protocol, version, results, count):
    flow = Flow(protocol, version, translates(name))
    flow.establish()
    kind = f"{protocol}{version}"
    with flow.process_end():
        process = PROCESS if translates(name) else SERVICE
        cost = timed(f"{name}, request {kind}", RECEIVE, flow.request(), count, (None, process))
        results.add(f"established.request.{kind}", f"a request of an established {kind} flow",
                    "ns", name, cost)
        cost = timed(f"{name}, reply {kind}", SEND, flow.reply(), count, (SERVICE, None))
        results.add(f"established.reply.{kind}", f"a reply of an established {kind} flow",
                    "ns", name, cost)


def measure(_bench, results, plan):
    for number in range(plan.rounds):
        for name, contender in CONTENDERS.items():
            with generator(), contender():
                for protocol, version in KINDS:
                    if protocol == "tcp" or name != "rlvs steer":
                        both_ways(name, protocol, version, results, plan.packets)
        print(f"# established: round {number + 1} of {plan.rounds}", flush=True)
    for protocol, version in KINDS:
        for way in ("request", "reply"):
            for name, limit in TARGETS.items():
                if protocol == "tcp" or name != "rlvs steer":
                    results.target(f"established.{way}.{protocol}{version}", name,
                                   "cost over direct, of ip_vs's", "over_direct_of_ip_vs", limit)
