# SPDX-License-Identifier: GPL-2.0
"""Each checksum on the wire is right, whoever computes it: tshark is the judge.

A third host behind the client's makes checksums visible that a sender left to its
device: the client's host forwards to it over a link that has no checksum offload,
so what lb left unfinished is finished there, from what lb wrote into the packet.

    distant --- veth, no offloads --- client (forwards) --- veth, offloads vary --- lb
"""

from lib import kernel
from lib.capture import Capture, judge_checksums
from lib.clients import talk
from lib.ktap import check, each, equal
from lib.lab import FLOWS, SCTP, TCP4, DistantLab
from lib.packets import Raw, datagram

WRONG_PORT = 9999
ALL = FLOWS + SCTP
OFFLOADS = ("tx", "rx", "tso", "gso", "gro")


def make_lab():
    """The lab with the third host."""
    kernel.need("sctp")
    lab = DistantLab()
    offload(lab.distant, "eth", False)
    offload(lab.client, "far", False)
    return lab


def offload(host, device, on):
    """Switches all of a device's checksum and segmentation offloads."""
    value = "on" if on else "off"
    host.must("ethtool", "-K", device, *(word for name in OFFLOADS for word in (name, value)))


def converse(lab):
    """Every flow, with data that fills segments, and UDP of odd and even lengths."""
    for flow in ALL:
        with talk(lab.distant, flow) as conversation:
            conversation.bulk(150_000)


def serve(lab):
    """All flows, over two destinations: one on the VIP, one on another address."""
    for flow in ALL:
        lab.serve_both(flow)


def test_on_the_wire(lab):
    serve(lab)
    raw = Raw(lab.distant, "eth", lab.client, "far")
    with Capture(lab.distant, "eth", "tcp or udp or sctp") as capture:
        for on in (True, False):
            offload(lab.lb, "wan", on)
            offload(lab.client, "eth", on)
            for _ in range(2):  # rr: each destination once
                converse(lab)
        raw.send(datagram("203.0.113.2", TCP4.vip, WRONG_PORT, WRONG_PORT, b"x", checksum=0x1234))
    verdicts = judge_checksums(capture.path)
    equal(verdicts["udp4", WRONG_PORT, WRONG_PORT, "bad"], 1,
          "wrong checksums that tshark found where there is one: if none, its other verdicts "
          "mean nothing")
    ours = {key: count for key, count in verdicts.items() if WRONG_PORT not in key}
    bad = {key: count for key, count in ours.items() if key[3] != "good"}
    equal(bad, {}, "packets whose checksum is not good")
    for flow in ALL:
        for end, name in ((1, "from"), (2, "to")):
            seen = sum(n for key, n in ours.items() if key[0] == str(flow) and key[end] == 80)
            check(seen >= 16, f"{flow}: {seen} packets {name} port 80, wanted at least 16")
    check(not any(8001 in key or 9000 in key for key in ours),
          "a destination's own port is on the wire")


@each(ALL)
def test_the_receiver_verifies_what_was_rewritten(lab, flow):
    """With rx offload off lb checks every checksum in software, after the rewrite."""
    serve(lab)
    offload(lab.lb, "wan", False)
    offload(lab.client, "eth", False)
    before = checksum_errors(lab, flow)
    for _ in range(2):
        with talk(lab.client, flow) as conversation:
            conversation.bulk(50_000)
    equal(checksum_errors(lab, flow), before, "packets with a wrong checksum that lb received")


def checksum_errors(lab, flow):
    """How many packets lb's own stack has found wrong."""
    if flow.version == 6 and flow.protocol == "udp":
        for line in lab.lb.read("/proc/thread-self/net/snmp6").splitlines():
            if line.startswith("Udp6InCsumErrors"):
                return int(line.split()[1])
        return 0
    if flow.protocol == "sctp":
        lines = lab.lb.read("/proc/thread-self/net/sctp/snmp").splitlines()
        return int(dict(line.split() for line in lines)["SctpChecksumErrors"])
    name = flow.protocol.capitalize()
    lines = [line.split()[1:] for line in lab.lb.read("/proc/thread-self/net/snmp").splitlines()
             if line.startswith(name + ":")]
    return int(dict(zip(*lines, strict=True))["InCsumErrors"])


@each(ALL)
def test_through_a_tunnel_that_has_verified_them(lab, flow):
    """GRE with checksums hands the inner packets on with a complete sum (CHECKSUM_COMPLETE).

    If the rewrite left that sum wrong the kernel would say "hw csum failure", which fails
    the test.
    """
    four = flow.version == 4
    ours, theirs = ("192.168.7.1", "192.168.7.2") if four else ("2001:db8:7::1", "2001:db8:7::2")
    for host, local, remote, inner in ((lab.lb, flow.host, flow.client, ours),
                                       (lab.client, flow.client, flow.host, theirs)):
        host.must("ip", "link", "add", "tunnel", "type", "gre" if four else "ip6gre",
                  "local", local, "remote", remote, "csum")
        host.ip(f"addr add {inner}/{30 if four else '64 nodad'} dev tunnel", "link set tunnel up")
    lab.client.ip(f"route add {flow.vip2}/{32 if four else 128} dev tunnel src {theirs}")
    offload(lab.lb, "wan", False)
    offload(lab.client, "eth", False)
    lab.serve_both(flow, flow.vip2)
    before = checksum_errors(lab, flow)
    for _ in range(2):
        with talk(lab.client, flow, address=flow.vip2) as conversation:
            conversation.bulk(50_000)
    equal(checksum_errors(lab, flow), before, "packets with a wrong checksum that lb received")
    for host in (lab.lb, lab.client):
        host.must("ip", "link", "del", "tunnel")
