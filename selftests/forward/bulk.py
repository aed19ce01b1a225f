# SPDX-License-Identifier: GPL-2.0
"""A bulk stream stays in large segments, and is about as fast as without rlvs."""

import json
import statistics
import subprocess

from lib.capture import Capture, fields
from lib.clients import talk
from lib.ktap import Failure, check, each, equal, fewer, in_time, seconds, wait_until
from lib.lab import TCP, TCP4

ROUNDS = 5
MOST_ROUNDS = 20
LEAST = 0.8  # of the throughput: an emulated processor makes much of a little more code


@each(TCP)
def test_large_segments_stay_large(lab, flow):
    """In both directions; each is rewritten once, and counted once."""
    lab.servers.listen(flow, [8001])
    service = lab.balance(flow, ports="8001")
    with Capture(lab.lb, "wan", "tcp port 80") as capture:
        with talk(lab.client, flow) as conversation:
            conversation.bulk(1_000_000)
        # The last packets belong to it.
        served = lab.servers.served(conversation.name)
        wait_until(lambda: served.ended == "closed", "the server saw the end")
    network = "ip.len" if flow.version == 4 else "ipv6.plen"
    total = lab.find(service)["stats"]
    for side, packets in (("dstport", total["in_packets"]), ("srcport", total["out_packets"])):
        rows = fields(capture.path, network, "tcp.len", only=f"tcp.{side} == 80")
        # A slow kernel's TCP makes them of two frames' worth only.
        check(max(int(length) for _, length in rows) > 1500, f"{side}: no large segment")
        equal(packets, len(rows), f"{side} 80: packets that rlvs counted and tcpdump saw")


def throughput(lab, port, reverse):
    """Bits per second that iperf3 gets through a port of the VIP in a second."""
    done = lab.client.run("iperf3", "-J", "-c", TCP4.vip, "-p", str(port), "-t", "1",
                          *(["-R"] if reverse else []), limit=30)
    try:
        return json.loads(done.stdout)["end"]["sum_received"]["bits_per_second"]
    except (ValueError, KeyError):
        raise Failure(f"iperf3: {done.stdout[-300:]} {done.stderr}") from None


@each(["to the server", "from the server"])
def test_throughput(lab, direction):
    """iperf3 by way of the service, and straight to its destination, in turn."""
    with lab.lb:
        server = subprocess.Popen(["iperf3", "-s", "-p", "8001", "-B", TCP4.vip],
                                  stdout=subprocess.DEVNULL)
    try:
        lab.balance(TCP4, ports="8001")
        # Its port is also that of connections which linger from before: the state tells.
        wait_until(lambda: ":1F41 00000000:0000 0A " in lab.lb.read("/proc/thread-self/net/tcp"),
                   "iperf3 listens", limit=20)
        reverse = direction == "from the server"
        ratios = []
        # An emulated kernel's time is noisy: what is compared is measured in the same seconds, in
        # the one order and the other, and more often until noise is told from cost.
        while len(ratios) < fewer(ROUNDS, 1) or (
                statistics.median(ratios) < LEAST and len(ratios) < fewer(MOST_ROUNDS, 1)):
            order = (8001, 80) if len(ratios) % 2 else (80, 8001)
            found = {port: throughput(lab, port, reverse) for port in order}
            ratios.append(found[80] / found[8001])
        ratio = statistics.median(ratios)
        print(f"    # {direction}: {ratio:.2f} of straight to the port, {len(ratios)} rounds")
        # The debug kernel's checkers cost more than what is measured.
        in_time(ratio >= fewer(LEAST, 0.0), f"{ratio:.2f} of the throughput straight to the port")
    finally:
        server.kill()
        server.wait(timeout=seconds(5))
