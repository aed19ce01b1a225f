# SPDX-License-Identifier: GPL-2.0
"""Fragmented datagrams are put together before they are balanced, and taken apart after."""

import collections
import os

from lib.capture import Capture, fields
from lib.clients import talk
from lib.ktap import check, each, equal, wait_until
from lib.lab import UDP, UDP4
from lib.packets import Raw, datagram, fragments

SIZES = (1400, 1473, 2000, 4001, 20_000, 60_000)


def test_both_directions(lab):
    """Requests and answers of up to 60 KB; tshark puts them together and sums them."""
    with Capture(lab.client, "eth", "ip or ip6") as capture:
        for flow in UDP:
            lab.serve_both(flow)
            for _ in range(2):
                with talk(lab.client, flow) as conversation:
                    for size in SIZES:
                        conversation.say(os.urandom(size))
    counts = collections.Counter()
    for status, source, four, six in fields(
            capture.path, "udp.checksum.status", "udp.srcport", "ip.reassembled.length",
            "ipv6.reassembled.length", only="udp.port == 80"):
        if four or six:
            equal(status, "1", "tshark on a checksum (1: good)")
            counts[4 if four else 6, "answer" if source == "80" else "request"] += 1
    for flow in UDP:
        # All but the first size; answers are longer by the line that says who answers.
        for side in ("request", "answer"):
            check(counts[flow.version, side] >= 2 * len(SIZES) - 2,
                  f"{flow}: {counts[flow.version, side]} {side}s were in fragments")
    equal(lab.counter("fragment"), 0, "fragments that the hooks have seen")


@each(UDP)
def test_a_local_client_over_a_narrow_loopback(lab, flow):
    lab.serve_both(flow)
    lab.lb.ip("link set lo mtu 1500")
    try:
        for _ in range(2):
            with talk(lab.lb, flow) as conversation:
                for size in SIZES:
                    conversation.say(os.urandom(size))
    finally:
        lab.lb.ip("link set lo mtu 65536")
    equal(lab.counter("fragment"), 0, "fragments that the hooks have seen")


def test_fragments_in_any_order(lab):
    """The ports are in the first fragment only, which comes last here."""
    flow = UDP4
    lab.serve_both(flow)
    packet = datagram(flow.client, flow.vip, 5555, 80, os.urandom(4000))
    parts = fragments(packet, 1480)
    check(len(parts) == 3, f"{len(parts)} parts")
    line = Raw(lab.client, "eth", lab.lb, "wan")
    for part in reversed(parts):
        equal(sum(lab.servers.datagrams.values()), 0, "datagrams that were served too early")
        line.send(part)
    wait_until(lambda: sum(lab.servers.datagrams.values()) == 1, "the datagram is served")
    equal(len(lab.conns()), 1, "entries")
