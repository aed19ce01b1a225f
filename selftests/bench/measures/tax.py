# SPDX-License-Identifier: GPL-2.0
"""What a packet pays that is no service's, with services configured for other ports."""

import sys

from lab import (CLIENT, CONTENDERS, PORT, RECEIVE, SEND, VIP, Bench, generator, run)
from lib.packets import datagram, segment
from pace import PACE

# Neither a service's nor a process's port; an address of another host.
OTHER = 81
ELSEWHERE = {4: "10.9.32.1", 6: "fd09::2:1"}
TARGETS = {"rlvs nat": 0.2, "rlvs steer": 0.2}


def packet(protocol, *ends):
    if protocol == "udp":
        return datagram(*ends, b"x" * 64)
    return segment(*ends, flags="A", data=b"x" * 64, seq=1001, ack=2001)


def cases(version):
    """(name, title, way, packet) of what no service is for."""
    client, vip, elsewhere = CLIENT[version], VIP[version], ELSEWHERE[version]
    for protocol in ("udp", "tcp"):
        kind = f"{protocol}{version}"
        yield (f"in.{kind}", f"a {kind} packet in, to another port", RECEIVE,
               packet(protocol, client, vip, PORT, OTHER))
        yield (f"out.{kind}", f"a {kind} packet out, from another port", SEND,
               packet(protocol, vip, client, OTHER, PORT))
    yield (f"forward.udp{version}", f"a udp{version} packet that is forwarded", RECEIVE,
           packet("udp", client, elsewhere, PORT, OTHER))


def one(name, case, results, count):
    measured, title, way, bytes_ = case
    Bench.send(way, [bytes_], count // 10)
    seconds, (arrived, *ports) = PACE.steady(lambda: Bench.send(way, [bytes_], count))
    if arrived != count or sorted(ports) != [OTHER, PORT]:
        sys.exit(f"{name}, {title}: {arrived} of {count} arrived, with ports {ports}")
    results.add(f"tax.{measured}", title, "ns", name, seconds / count * 1e9)


def measure(_bench, results, plan):
    run("sysctl", "-q", "-w", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1",
        "net.ipv4.conf.all.send_redirects=0", "net.ipv4.conf.wan.send_redirects=0")
    measured = {}
    for number in range(plan.rounds):
        for name, contender in CONTENDERS.items():
            with generator(), contender():
                for case in [*cases(4), *cases(6)]:
                    one(name, case, results, plan.packets)
                    measured[case[0]] = True
        print(f"# tax: round {number + 1} of {plan.rounds}", flush=True)
    run("sysctl", "-q", "-w", "net.ipv4.ip_forward=0", "net.ipv6.conf.all.forwarding=0")
    for case in measured:
        for name, limit in TARGETS.items():
            results.target(f"tax.{case}", name, "cost over direct, of ip_vs's",
                           "over_direct_of_ip_vs", limit)
