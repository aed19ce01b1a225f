# SPDX-License-Identifier: GPL-2.0
"""net.ipv4.vs.csum_complete: who sums what the host sends, the device or the host.

A capture on the host's own side of the link shows packets before a device has done
anything to them.
"""

import collections

from lib.capture import CHECKSUM_STATUS, Capture, fields
from lib.clients import talk
from lib.ktap import check, each, equal
from lib.lab import FLOWS, TCP, TCP4

SETTING = "net.ipv4.vs.csum_complete"
PATH = "/proc/sys/net/ipv4/vs/csum_complete"


def serve(lab):
    """All flows, with a destination on the service's own address and one on another."""
    for flow in FLOWS:
        lab.serve_both(flow)


def converse(lab, where):
    """Each destination once, with packets of all sizes."""
    for flow in FLOWS:
        for _ in range(2):
            with talk(where, flow) as conversation:
                conversation.bulk(150_000)


def answers(capture):
    """What tshark finds in the answers: how many of each flow have a good checksum and how many
    a bad one, and the longest TCP payload in a packet."""
    rows = fields(capture.path, "ip.version", "tcp.checksum.status", "udp.checksum.status",
                  "tcp.len", only="tcp.srcport == 80 || udp.srcport == 80")
    counts = collections.Counter()
    for _, tcp, udp, _ in rows:
        counts["tcp" if tcp else "udp", CHECKSUM_STATUS.get(tcp or udp, "unknown")] += 1
    return counts, max(int(length) for _, _, _, length in rows if length)


def test_the_setting(lab):
    """It is off, takes nothing but 0 and 1, and belongs to the namespace."""
    equal(lab.lb.read(PATH), "0\n", "the default")
    for wrong in (2, -1):
        try:
            lab.lb.sysctl(SETTING, wrong)
        except OSError:
            pass
        else:
            check(False, f"{wrong} was taken")
    equal(lab.lb.read(PATH), "0\n", "the setting after wrong values")
    lab.lb.sysctl(SETTING, 1)
    equal(lab.client.read(PATH), "0\n", "another namespace's setting")
    lab.lb.sysctl(SETTING, 0)


def test_off_leaves_sums_and_splitting_to_the_device(lab):
    serve(lab)
    with Capture(lab.lb, "wan", "tcp or udp") as capture:
        converse(lab, lab.client)
    counts, longest = answers(capture)
    for protocol in ("tcp", "udp"):
        check(counts[protocol, "bad"] >= 20, f"left to the device: {dict(counts)}")
    check(longest > 1500, "no large segment was left to the device")


@each(["remote", "local"])
def test_on_sums_before_the_packet_leaves(lab, client):
    serve(lab)
    lab.lb.sysctl(SETTING, 1)
    where, device = (lab.client, "wan") if client == "remote" else (lab.lb, "lo")
    try:
        with Capture(lab.lb, device, "tcp or udp") as capture:
            converse(lab, where)
    finally:
        lab.lb.sysctl(SETTING, 0)
    counts, longest = answers(capture)
    equal({status for _, status in counts}, {"good"}, "what tshark says of the checksums")
    for protocol in ("tcp", "udp"):
        check(counts[protocol, "good"] >= 20, f"too few answers: {dict(counts)}")
    if client == "remote":
        check(longest <= 1460, f"a segment of {longest} bytes was not split")


@each(TCP)
def test_switching_while_data_flows(lab, flow):
    serve(lab)
    with talk(lab.client, flow) as conversation:
        for value in (1, 0, 1, 0):
            lab.lb.sysctl(SETTING, value)
            conversation.bulk(100_000)


def test_traffic_of_no_service_is_left_alone(lab):
    lab.servers.listen(TCP4, [8001, 7000])
    lab.balance(TCP4, ports="8001")
    lab.lb.sysctl(SETTING, 1)
    try:
        with Capture(lab.lb, "wan", "tcp port 7000") as capture:
            with talk(lab.client, TCP4, 7000) as conversation:
                conversation.bulk(150_000)
    finally:
        lab.lb.sysctl(SETTING, 0)
    rows = fields(capture.path, "tcp.checksum.status", only="tcp.srcport == 7000 && tcp.len > 0")
    check(("0",) in rows, "sums of another port's packets were completed")
