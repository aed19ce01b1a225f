# SPDX-License-Identifier: GPL-2.0
"""How much more two processors do than one: packets of established flows, on both at a time."""

import sys

from lab import CONTENDERS, PROCESS, RECEIVE, SERVICE, Bench, Flow, generator, translates

PROCESSORS = 2
WANTED = 1.8
FLOWS = 1000


def rate(name, processors, count):
    """Packets in a microsecond."""
    packet = Flow("udp", 4, translates(name)).request()
    flows = {"ports": 50000, "flows": FLOWS, "processors": processors}
    Bench.send(RECEIVE, [packet], 2 * FLOWS, **flows)
    seconds, (arrived, _, target) = Bench.send(RECEIVE, [packet], count, **flows)
    if arrived != count or target != (PROCESS if translates(name) else SERVICE):
        sys.exit(f"{name}, {processors} processors: {arrived} of {count}, to {target}")
    return count / seconds / 1e6


def measure(_bench, results, plan):
    for number in range(plan.rounds):
        for name, contender in CONTENDERS.items():
            if name == "rlvs steer":
                continue
            with generator(), contender():
                one = rate(name, 1, plan.packets * 4)
                two = rate(name, PROCESSORS, plan.packets * 8)
            results.add("processors.udp4", "packets on two processors, of those on one", "times",
                        name, two / one)
        print(f"# processors: round {number + 1} of {plan.rounds}", flush=True)
    had = results.median("processors.udp4", "direct")
    if had < WANTED:
        results.note(f"processors: not compared with {WANTED}, as two processors were not there to"
                     f" be had: without a balancer they made {had:.2f} times one's packets")
    else:
        results.target("processors.udp4", "rlvs nat", "of one processor's packets", "at_least",
                       WANTED)
