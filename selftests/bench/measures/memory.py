# SPDX-License-Identifier: GPL-2.0
"""How much memory a connection takes: in slabs, and in all with tables and what else grows.

The packets of the connections end before a socket: sockets are not counted, and no contender
spares them. It is the same in each round, so there is one.
"""

from lab import KINDS, OPENING, STEERING, Flow, generator, translates
from meminfo import Usage


def grow(name, protocol, version, results, count):
    flow = Flow(protocol, version, translates(name))
    usage = Usage()
    for sent, (arrived, *_) in flow.establish(count):
        if arrived != count:
            raise SystemExit(f"{name}: {arrived} of {count} packets of connections arrived")
    total, caches = usage.end()
    kind = f"{protocol}{version}"
    results.add(f"memory.slab.{kind}", f"slabs for a {kind} connection", "bytes", name,
                sum(caches.values()) / count)
    results.add(f"memory.all.{kind}", f"all memory for a {kind} connection", "bytes", name,
                total / count)
    print(f"# memory: {name}, {kind}: " + ", ".join(
        f"{cache} {size / count:.0f}" for cache, size in sorted(caches.items())), flush=True)


def measure(_bench, results, plan):
    count = 200000 if plan.full else 50000
    for protocol, version in KINDS:
        if (protocol, version) == ("udp", 6) and not plan.full:
            continue
        for name, contender in OPENING.items():
            if name in STEERING and protocol == "udp":
                continue
            with generator(), contender():
                grow(name, protocol, version, results, count)
    results.note(f"memory: of {count} connections, once; nf_conntrack's table was allocated before")
    results.target("memory.slab.tcp4", "rlvs nat", "bytes", "at_most", 128)
    results.target("memory.slab.udp4", "rlvs nat", "bytes", "at_most", 128)
    for kind in [k for k in results.measures if k.startswith("memory.slab.")]:
        results.target(kind, "rlvs nat", "of ip_vs's", "of_ip_vs", 0.45)
        for name in STEERING:
            if name in results.measures[kind]["samples"]:
                results.target(kind, name, "bytes", "at_most", 0)
