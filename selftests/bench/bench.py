#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What a packet of an established flow costs with each contender, in turn; see
Documentation/performance.rst."""

import collections
import json
import os
import statistics
import sys

from lab import CONTENDERS, PROCESS, RECEIVE, SEND, SERVICE, Bench, Flow, generator

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
COUNT = int(os.environ.get("BENCH_PACKETS", "200000"))
FLOWS = [("udp", 4), ("tcp", 4), ("udp", 6), ("tcp", 6)]


def translated(name):
    return name != "direct"


def check(name, measure, result, count, process):
    arrived, _, target = result
    if arrived != count or (process and target != process):
        sys.exit(f"{name}, {measure}: {arrived} of {count} arrived, the last at port {target}")


def measure(name, found):
    for protocol, version in FLOWS:
        flow = Flow(protocol, version, translated(name))
        flow.establish()
        kind = f"{protocol}{version}"
        wanted = PROCESS if translated(name) else SERVICE
        packet = flow.request()
        Bench.send(RECEIVE, [packet], COUNT // 10)
        seconds, result = Bench.send(RECEIVE, [packet], COUNT)
        check(name, f"request {kind}", result, COUNT, wanted)
        found[f"request {kind}"].append(seconds / COUNT * 1e9)
        packet = flow.reply()
        Bench.send(SEND, [packet], COUNT // 10)
        seconds, result = Bench.send(SEND, [packet], COUNT)
        if result[0] != COUNT or result[1] != SERVICE:
            sys.exit(f"{name}, reply {kind}: {result}")
        found[f"reply {kind}"].append(seconds / COUNT * 1e9)


def main():
    bench = Bench()
    found = {name: collections.defaultdict(list) for name in CONTENDERS}
    for number in range(ROUNDS):
        for name, contender in CONTENDERS.items():
            with generator(), contender():
                measure(name, found[name])
        print(f"# round {number + 1} of {ROUNDS}", flush=True)
    base = {m: statistics.median(v) for m, v in found["direct"].items()}
    rows = {}
    for name, measures in found.items():
        for m, values in measures.items():
            rows.setdefault(m, {})[name] = statistics.median(values)
    for m, row in rows.items():
        peer = row.get("ip_vs", 0) - base[m]
        cells = [f"{name} {value:.0f} ns (+{value - base[m]:.0f}, x{(value - base[m]) / peer:.2f})"
                 for name, value in row.items()]
        print(m + ": " + "; ".join(cells), flush=True)
    with open("/run/out/result.json", "w", encoding="ascii") as file:
        json.dump(found, file)
    del bench


main()
