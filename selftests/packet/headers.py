# SPDX-License-Identifier: GPL-2.0
"""Packets with unusually long headers, or without a checksum, are rewritten rightly."""

import collections
import socket
import struct

from lib.capture import Capture, fields
from lib.clients import talk
from lib.ktap import check, each, equal, seconds
from lib.lab import FLOWS, UDP, UDP4, UDP6
from lib.packets import Raw, datagram, l4_checksum

# IP_OPTIONS: record one route; IPV6_HOPOPTS and IPV6_DSTOPTS: padding.
OPTIONS = {4: [(socket.IPPROTO_IP, 4, b"\7\7\4\0\0\0\0\0")],
           6: [(socket.IPPROTO_IPV6, number, b"\0\0\1\4\0\0\0\0") for number in (54, 59)]}
SO_NO_CHECK = 11
UDP_NO_CHECK6_TX, UDP_NO_CHECK6_RX = 101, 102


def serve(lab, flow):
    """A service with two destinations; the servers' sockets."""
    lab.serve_both(flow)
    return lab.servers.bound.values()


def test_options_and_extension_headers(lab):
    """In both directions: IPv4 options; IPv6 hop-by-hop and destination options."""
    for flow in FLOWS:
        for sock in serve(lab, flow):
            for option in OPTIONS[flow.version] if sock.family == flow.family else ():
                sock.setsockopt(*option)
    for host, device in ((lab.lb, "wan"), (lab.client, "eth")):
        host.must("ethtool", "-K", device, "tx", "off")
    try:
        with Capture(lab.client, "eth", "ip or ip6") as capture:
            for flow in FLOWS:
                for _ in range(2):
                    options = OPTIONS[flow.version]
                    with talk(lab.client, flow, options=options) as conversation:
                        conversation.bulk(20_000)
    finally:
        for host, device in ((lab.lb, "wan"), (lab.client, "eth")):
            host.must("ethtool", "-K", device, "tx", "on")
    names = ["ip.opt.type", "ipv6.dstopts.nxt", "ip.checksum.status"]
    for protocol in ("tcp", "udp"):
        names += [f"{protocol}.checksum.status", f"{protocol}.srcport"]
    counts = collections.Counter()
    for four, six, ip, tcp, tcp_port, udp, udp_port in fields(capture.path, *names):
        if not (tcp_port or udp_port):
            continue
        check(ip in ("", "1") and (tcp or udp) == "1", "tshark finds a wrong checksum")
        if four or six:
            side = "answer" if "80" in (tcp_port, udp_port) else "request"
            counts["tcp" if tcp else "udp", 4 if four else 6, side] += 1
    for protocol in ("tcp", "udp"):
        for version in (4, 6):
            for side in ("request", "answer"):
                count = counts[protocol, version, side]
                check(count >= 8, f"{protocol}{version}: {count} {side}s have options")


def test_no_udp_checksum_stays_none(lab):
    """In both directions; in IPv6 both ends must have agreed on it (RFC 6935)."""
    with Capture(lab.client, "eth", "udp") as capture:
        for flow in UDP:
            for sock in serve(lab, flow):
                if sock.family == flow.family:
                    without_checksum(sock, flow)
            for _ in range(2):
                with lab.client:
                    sock = socket.socket(flow.family, socket.SOCK_DGRAM)
                without_checksum(sock, flow)
                sock.settimeout(seconds(3))
                sock.connect((flow.vip, 80))
                sock.send(b"no checksum")
                check(sock.recv(1000).endswith(b"\nno checksum"), "another answer")
                sock.close()
    rows = fields(capture.path, "udp.checksum", only="udp.port == 80")
    equal((len(rows), set(rows)), (8, {("0x0000",)}), "packets, and their checksums")


def without_checksum(sock, flow):
    """A socket that sends no checksum and takes what has none."""
    if flow.version == 4:
        sock.setsockopt(socket.SOL_SOCKET, SO_NO_CHECK, 1)
        return
    for option in (UDP_NO_CHECK6_TX, UDP_NO_CHECK6_RX):
        sock.setsockopt(socket.IPPROTO_UDP, option, 1)


@each([UDP4, UDP6])
def test_a_computed_zero_is_sent_as_ones(lab, flow):
    """A checksum that becomes 0 by the new port must not say that there is none."""
    lab.servers.listen(flow, [8001])
    lab.balance(flow, ports="8001")
    with lab.lb:
        copies = socket.socket(flow.family, socket.SOCK_RAW, socket.IPPROTO_UDP)
    copies.settimeout(seconds(3))
    for word in range(65536):
        data = struct.pack("!H", word)
        body = struct.pack("!HHHH", 5555, 8001, 10, 0) + data
        if l4_checksum(flow.client, flow.vip, 17, body) == 0xFFFF:
            break
    Raw(lab.client, "eth", lab.lb, "wan").send(datagram(flow.client, flow.vip, 5555, 80, data))
    body = copies.recv(100)
    body = body[20:] if flow.version == 4 else body
    equal(struct.unpack_from("!HHHH", body), (5555, 8001, 10, 0xFFFF), "the rewritten header")
    copies.close()


def test_a_capture_before_the_rewrite_shows_what_came(lab):
    """tcpdump shares a packet's data with the stack: the rewrite must not write to that."""
    with Capture(lab.lb, "wan", "tcp or udp") as capture:
        for flow in FLOWS:
            serve(lab, flow)
            for _ in range(2):
                with talk(lab.client, flow) as conversation:
                    conversation.bulk(20_000)
    rows = fields(capture.path, "tcp.dstport", "udp.dstport", "ip.dst", "ipv6.dst",
                  only="tcp.srcport >= 32768 || udp.srcport >= 32768")
    check(len(rows) >= 40, f"{len(rows)} packets from the client")
    equal(set(rows), {("80", "", "198.51.100.10", ""), ("", "80", "198.51.100.10", ""),
                      ("80", "", "", "2001:db8:1::10"), ("", "80", "", "2001:db8:1::10")},
          "where the client's packets went")
