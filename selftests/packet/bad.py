# SPDX-License-Identifier: GPL-2.0
"""Broken packets crash nothing, open no entry, and are not repaired."""

import random
import socket
import struct

from lib.clients import served_by, talk
from lib.ktap import check, each, equal, fewer, wait_until
from lib.lab import FAMILIES, FLOWS, TCP4, TCP6, UDP, UDP4, UDP6
from lib.packets import Raw, Sniffer, datagram, ip_header, l4_is_right, segment

PORTS = range(8001, 8005)


def line(lab):
    """A packet socket on the client's end of the link."""
    return Raw(lab.client, "eth", lab.lb, "wan")


def balanced(lab, *flows):
    """Services with servers."""
    for flow in flows:
        lab.servers.listen(flow, PORTS)
        lab.balance(flow)


def delivered(lab, flow):
    """Raw sockets of lb that get a copy of the packets after the rewrite, checksum and all."""
    with lab.lb:
        sock = socket.socket(flow.family, socket.SOCK_RAW, 6 if flow.protocol == "tcp" else 17)
    sock.settimeout(3)
    return sock


def packet_of(flow, **wrong):
    """A first packet of the flow."""
    make = segment if flow.protocol == "tcp" else datagram
    return make(flow.client, flow.vip, 5555, 80, data=b"payload", **wrong)


@each(FLOWS)
def test_a_wrong_checksum_stays_wrong(lab, flow):
    """By exactly as much as it was wrong before, so that the receiver finds it."""
    balanced(lab, flow)
    raw, copies = line(lab), delivered(lab, flow)
    good = packet_of(flow)
    place = len(good) - 7 - (20 - 16 if flow.protocol == "tcp" else 8 - 6)
    right = struct.unpack_from("!H", good, place)[0]
    raw.send(packet_of(flow, checksum=right ^ 0x0101))
    body = copies.recv(2048)
    body = body[20:] if flow.version == 4 else body
    check(struct.unpack_from("!H", body, 2)[0] in PORTS, "the copy was not rewritten")
    header = ip_header(flow.client, flow.vip, 6 if flow.protocol == "tcp" else 17, len(body))
    check(not l4_is_right(header + body), "a wrong checksum was repaired")
    equal(sum(lab.servers.datagrams.values()) + len(lab.servers.connections), 0,
          "what the servers received")


@each(FLOWS)
def test_a_right_checksum_stays_right(lab, flow):
    """The same, so that the test above means something."""
    balanced(lab, flow)
    raw, copies = line(lab), delivered(lab, flow)
    raw.send(packet_of(flow))
    body = copies.recv(2048)
    body = body[20:] if flow.version == 4 else body
    check(struct.unpack_from("!H", body, 2)[0] in PORTS, "the copy was not rewritten")
    header = ip_header(flow.client, flow.vip, 6 if flow.protocol == "tcp" else 17, len(body))
    check(l4_is_right(header + body), "a right checksum was spoilt")


def broken(flow):
    """Packets with something wrong in or before the transport header."""
    ends = flow.client, flow.vip
    if flow.protocol == "tcp":
        whole = segment(*ends, 5556, 80)
        header = len(whole) - 20
        for size in range(0, 20, 3):
            yield ip_header(*ends, 6, size) + whole[header:header + size]
        for words in (0, 4, 15):
            yield segment(*ends, 5556, 80, data_offset=words)
        for flags in ("", "SF", "SR", "SRFPA"):
            yield segment(*ends, 5556, 80, flags=flags)
    else:
        whole = datagram(*ends, 5556, 80, b"data")
        header = len(whole) - 12
        for size in range(0, 8):
            yield ip_header(*ends, 17, size) + whole[header:header + size]
        for stated in (0, 7, 13, 65535):
            yield datagram(*ends, 5556, 80, b"data", length=stated)
    for stated in (0, 1, 19, 21, 2000, 65535):
        make = segment if flow.protocol == "tcp" else datagram
        yield make(*ends, 5556, 80, length=stated, data=b"data")
    protocol = 6 if flow.protocol == "tcp" else 17
    if flow.version == 4:
        for first_byte in (0x40, 0x44, 0x4F, 0x55, 0x05):
            yield bytes([first_byte]) + whole[1:]
        for fragment in (0x2000, 0x2001, 0x0001, 0x1FFF):
            yield ip_header(*ends, protocol, 8, fragment=fragment) + whole[-8:]
    else:
        for kind in (0, 43, 44, 60, 51, 50, 59, 135):
            for extension in (b"", b"\x06", bytes([protocol, 255]) + bytes(6),
                              bytes([kind, 0]) * 4, bytes([protocol, 0, 0, 4, 1]) + bytes(3)):
                yield ip_header(*ends, kind, len(extension)) + extension
        chain = bytes([60, 0, 1, 4, 0, 0, 0, 0]) * 60
        yield ip_header(*ends, 60, len(chain)) + chain


@each(FLOWS)
def test_broken_headers_make_no_entry(lab, flow):
    balanced(lab, flow)
    raw = line(lab)
    for packet in broken(flow):
        raw.send(packet)
    equal(served_by(lab.client, flow, 4), {port: 1 for port in PORTS}, "conversations afterwards")
    strangers = [c for c in lab.conns() if c["client_port"] == 5556]
    # A UDP packet with four bytes too many after it, or a TCP one, is whole all the same.
    check(len(strangers) <= 1, f"broken packets made entries: {strangers}")


@each(FAMILIES)
def test_they_are_counted(lab, flow):
    balanced(lab, flow)
    raw = line(lab)
    before = lab.counter("truncated") + lab.counter("malformed")
    whole = segment(flow.client, flow.vip, 5557, 80)
    raw.send(ip_header(flow.client, flow.vip, 6, 10) + whole[-20:-10])
    raw.send(segment(flow.client, flow.vip, 5557, 80, data_offset=2))
    wait_until(lambda: lab.counter("truncated") + lab.counter("malformed") >= before + 2,
               "truncated and malformed packets are counted")


def test_random_damage(lab):
    """Good packets with random bytes changed, cut off or added."""
    flows = (TCP4, TCP6, UDP4, UDP6)
    balanced(lab, *flows)
    raw = line(lab)
    chance = random.Random(20)
    for _ in range(fewer(4000, 1500)):
        packet = bytearray(packet_of(chance.choice(flows)))
        for _ in range(chance.randrange(1, 4)):
            packet[chance.randrange(len(packet))] = chance.randrange(256)
        if chance.random() < 0.5:
            del packet[chance.randrange(1, len(packet)):]
        if chance.random() < 0.1:
            packet += chance.randbytes(chance.randrange(1200))
        raw.send(bytes(packet))
    for flow in flows:
        with talk(lab.client, flow) as conversation:
            conversation.bulk(20_000)


@each(UDP)
def test_options_and_extension_headers_are_walked(lab, flow):
    """The transport header is where the network header says, not at a fixed place."""
    balanced(lab, flow)
    raw, answers = line(lab), Sniffer(lab.client, "eth")
    if flow.version == 4:
        packet = datagram(flow.client, flow.vip, 5558, 80, b"hello", options=b"\x01" * 7)
    else:
        whole = datagram(flow.client, flow.vip, 5558, 80, b"hello")
        extension = bytes([17, 0, 1, 4, 0, 0, 0, 0])  # destination options: padding
        packet = ip_header(flow.client, flow.vip, 60, len(whole) - 40 + 8) + extension + whole[40:]
    raw.send(packet)
    start = 20 if flow.version == 4 else 40
    found = answers.first(
        lambda p: len(p) > start + 8 and struct.unpack_from("!HH", p, start) == (80, 5558))
    check(found, "nobody answered")
