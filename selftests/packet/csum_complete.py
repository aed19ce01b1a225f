# SPDX-License-Identifier: GPL-2.0
"""net.ipv4.vs.csum_complete says whether the device or the host sums what is sent.

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
    """Each destination once, with packets of all sizes. Returns the clients' ports."""
    clients = set()
    for flow in FLOWS:
        for _ in range(2):
            with talk(where, flow) as conversation:
                clients.add(str(conversation.name[1]))
                conversation.bulk(150_000)
    return clients


def answers(capture, clients):
    """What tshark finds in the answers to these clients: how many of each protocol have a good
    checksum and how many a bad one, and the longest TCP payload in a packet.

    A late segment of an earlier connection has no entry any more, so that the host's own reset
    answers it, the checksum of which is not the module's.
    """
    rows = fields(capture.path, "tcp.dstport", "udp.dstport", "tcp.checksum.status",
                  "udp.checksum.status", "tcp.len", "tcp.flags",
                  only="tcp.srcport == 80 || udp.srcport == 80")
    counts, longest, examples = collections.Counter(), 0, {}
    for row in rows:
        tcp_port, udp_port, tcp, udp, length, _ = row
        if (tcp_port or udp_port) in clients:
            status = CHECKSUM_STATUS.get(tcp or udp, "unknown")
            counts["tcp" if tcp else "udp", status] += 1
            longest = max(longest, int(length or 0))
            examples.setdefault(status, row)
    return counts, longest, examples


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
        clients = converse(lab, lab.client)
    counts, longest, _ = answers(capture, clients)
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
            clients = converse(lab, where)
    finally:
        lab.lb.sysctl(SETTING, 0)
    counts, longest, examples = answers(capture, clients)
    equal(set(examples), {"good"}, f"what tshark says of the checksums: {examples}")
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
