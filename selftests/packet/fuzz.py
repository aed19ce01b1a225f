# SPDX-License-Identifier: GPL-2.0
"""The hooks survive a storm of damaged packets, made from captured real ones.

FUZZ_SECONDS and FUZZ_SEED in the environment set how long and which storm. What the
kernel says of it (KASAN above all) fails the test.
"""

import contextlib
import os
import random
import socket
import struct
import time

from lib import kernel
from lib.capture import Capture, ip_packets
from lib.clients import talk
from lib.ktap import check, fewer
from lib.lab import FLOWS, SCTP, UDP, Lab
from lib.packets import Raw, crc32c, l4_checksum, ones_complement_sum

DEFAULT = 300 if os.environ.get("FULL") else fewer(20, 60)
SECONDS = float(os.environ.get("FUZZ_SECONDS", DEFAULT))
LIMIT = SECONDS + 240
ALL = FLOWS + SCTP
TCP, UDP_NUMBER, SCTP_NUMBER = socket.IPPROTO_TCP, socket.IPPROTO_UDP, socket.IPPROTO_SCTP
EXTENSIONS = (0, 43, 44, 50, 51, 60, 135)
NUMBERS = (0, 1, 7, 8, 20, 40, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF)
INTO_HOST, FROM_HOST = "PRE_ROUTING", "LOCAL_OUT"


def make_lab():
    """The lab, with hosts that do not let themselves be led astray by what is sent."""
    kernel.need("sctp")
    lab = Lab()
    for host in (lab.lb, lab.client):
        for name in ("net.ipv4.conf.all.accept_redirects", "net.ipv4.conf.default.accept_redirects",
                     "net.ipv6.conf.all.accept_redirects", "net.ipv6.conf.all.accept_ra"):
            host.sysctl(name, 0)
    for device, host in (("wan", lab.lb), ("eth", lab.client)):
        host.must("ethtool", "-K", device, "tso", "off", "gso", "off", "gro", "off", "tx", "off")
        host.sysctl(f"net.ipv6.conf.{device}.accept_redirects", 0)
        host.sysctl(f"net.ipv4.conf.{device}.accept_redirects", 0)
    return lab


def header_end(packet):
    """Where an IPv4 header, or the fixed part of an IPv6 header, ends."""
    return (packet[0] & 15) * 4 if packet[0] >> 4 == 4 else 40


def protocol_of(packet):
    """The number of what follows the IP header."""
    return packet[9] if packet[0] >> 4 == 4 else packet[6]


def is_error(packet):
    """Whether this is an ICMP error."""
    protocol, kind = protocol_of(packet), packet[header_end(packet)]
    return protocol == 1 and kind in (3, 11, 12) or protocol == 58 and kind < 128


def real_packets(lab):
    """What remote and local clients, their servers and their errors put on the links."""
    with Capture(lab.lb, "wan", "ip or ip6") as wan, Capture(lab.lb, "lo", "ip or ip6") as lo:
        for flow in ALL:
            for where, source in ((lab.client, flow.client), (lab.lb, flow.host)):
                with talk(where, flow, source=source) as conversation:
                    conversation.bulk(3000)
                    if flow.protocol == "udp":
                        conversation.say(os.urandom(4000))  # fragments
        for flow in UDP:
            errors(lab, flow)
    found = []
    for path in (wan.path, lo.path):
        found += [p for p in ip_packets(path) if len(p) <= 1500 and (
            is_error(p) or protocol_of(p) in (TCP, UDP_NUMBER, SCTP_NUMBER, 44))]
    return found


def errors(lab, flow):
    """A client that has gone before its answer came, and a destination where nobody is."""
    for where in (lab.client, lab.lb):
        for port in (80, 81):
            with where, socket.socket(flow.family, socket.SOCK_DGRAM) as sock, \
                    contextlib.suppress(ConnectionRefusedError):  # which the host itself is told
                sock.sendto(b"ask and go", (flow.vip, port))


class Storm:
    """Damages packets; the same seed and packets make the same storm."""

    def __init__(self, seed, packets):
        self.random = random.Random(seed)
        self.packets = packets

    def next(self):
        """A damaged packet."""
        r = self.random
        packet = bytearray(r.choice(self.packets))
        for _ in range(r.choice((1, 1, 2, 3))):
            damage = r.choice((self.flip, self.number, self.length, self.cut, self.grow,
                               self.transplant, self.splice, self.insert, self.port))
            packet = damage(packet)
            if len(packet) < 20:
                return bytes(packet or b"\x45")
        # What is wrong in the IP header does not get as far as a hook.
        if r.random() < 0.85:
            self.mend_ip(packet)
        if r.random() < 0.4:
            self.mend_checksum(packet)
        return bytes(packet[:1500])

    def flip(self, packet):
        """Some bits."""
        for _ in range(self.random.randrange(1, 5)):
            at = self.random.randrange(len(packet))
            packet[at] ^= 1 << self.random.randrange(8)
        return packet

    def number(self, packet):
        """A word that is at the edge of something, somewhere in the headers."""
        at = self.random.randrange(min(len(packet) - 1, 120))
        struct.pack_into("!H", packet, at, self.random.choice(NUMBERS))
        return packet

    def length(self, packet):
        """A length of a header or a chunk."""
        r = self.random
        end = header_end(packet)
        places = {TCP: end + 12, UDP_NUMBER: end + 4, SCTP_NUMBER: end + 14}
        total = 2 if packet[0] >> 4 == 4 else 4
        at = r.choice((0, total, places.get(protocol_of(packet), end + 1)))
        if at == 0:
            packet[0] = packet[0] & 0xF0 | r.randrange(16)
        elif at + 1 < len(packet):
            old = struct.unpack_from("!H", packet, at)[0]
            new = r.choice((old + r.randrange(-9, 9), r.choice(NUMBERS)))
            struct.pack_into("!H", packet, at, new & 0xFFFF)
        return packet

    def cut(self, packet):
        """The end is missing, often that of a header."""
        r = self.random
        edge = header_end(packet) + r.choice((0, 4, 8, 12, 16, 20, 28))
        end = r.choice((edge, edge - 1, r.randrange(1, len(packet) + 1)))
        return packet[:min(len(packet), end)]

    def grow(self, packet):
        """Something follows."""
        return packet + self.random.randbytes(self.random.randrange(1, 200))

    def transplant(self, packet):
        """A part of another packet, at the same place."""
        r = self.random
        other = r.choice(self.packets)
        at = r.randrange(min(len(packet), len(other)))
        end = min(at + r.randrange(1, 40), len(packet), len(other))
        packet[at:end] = other[at:end]
        return packet

    def splice(self, packet):
        """The start of one and the end of another."""
        other = self.random.choice(self.packets)
        return packet[:header_end(packet)] + other[header_end(other):]

    def insert(self, packet):
        """Options, or extension headers, some of them twice."""
        r = self.random
        if packet[0] >> 4 == 4:
            words = r.randrange(1, 11)
            packet[0] = 0x40 | min(15, (packet[0] & 15) + words)
            return packet[:20] + r.randbytes(words * 4) + packet[20:]
        for _ in range(r.randrange(1, 4)):
            units = r.randrange(3)
            body = bytearray(r.randbytes(8 * units + 8))
            body[0], body[1] = packet[6], r.choice((units, units, units, r.randrange(256)))
            if r.random() < 0.7:
                body[2:8] = b"\x01\x04\0\0\0\0"  # padding; no segments left; not a fragment
            packet[6] = r.choice(EXTENSIONS)
            packet = packet[:40] + body + packet[40:]
        return packet

    def port(self, packet):
        """A port that means something, or another client's."""
        at = header_end(packet) + self.random.choice((0, 2))
        if at + 2 <= len(packet):
            struct.pack_into("!H", packet, at, self.random.choice((80, 81, 8001, 8009, 0, 33000)))
        return packet

    def mend_ip(self, packet):
        """Version, lengths and checksum of the IP header are right after this."""
        if packet[0] >> 4 == 6 and len(packet) >= 40:
            struct.pack_into("!H", packet, 4, len(packet) - 40)
            return
        words = min(max(packet[0] & 15, 5), len(packet) // 4)
        packet[0] = 0x40 | words
        struct.pack_into("!H", packet, 2, len(packet))
        struct.pack_into("!H", packet, 10, 0)
        struct.pack_into("!H", packet, 10, 0xFFFF ^ ones_complement_sum(bytes(packet[:words * 4])))

    def mend_checksum(self, packet):
        """The transport checksum is right after this, where there is one to be found."""
        end, protocol = header_end(packet), protocol_of(packet)
        at = end + {TCP: 16, UDP_NUMBER: 6, SCTP_NUMBER: 8}.get(protocol, len(packet))
        if protocol == SCTP_NUMBER and at + 4 <= len(packet) < 400:
            packet[at:at + 4] = bytes(4)
            packet[at:at + 4] = struct.pack("<I", crc32c(bytes(packet[end:])))
        elif protocol != SCTP_NUMBER and at + 2 <= len(packet):
            four = packet[0] >> 4 == 4
            ends = (packet[12:16], packet[16:20]) if four else (packet[8:24], packet[24:40])
            family = socket.AF_INET if four else socket.AF_INET6
            packet[at:at + 2] = bytes(2)
            value = l4_checksum(*(socket.inet_ntop(family, bytes(e)) for e in ends), protocol,
                                bytes(packet[end:]))
            struct.pack_into("!H", packet, at, value)


class Host:
    """Sends packets as lb's own, so that they pass LOCAL_OUT."""

    def __init__(self, lab):
        with lab.lb:
            self._four = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
            self._six = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)

    def send(self, packet):
        """Sends one packet, unless the kernel refuses it before it gets to a hook."""
        try:
            if packet[0] >> 4 == 6 and len(packet) >= 40:
                self._six.sendto(packet, (socket.inet_ntop(socket.AF_INET6, packet[24:40]), 0))
            elif len(packet) >= 20:
                self._four.sendto(packet, (socket.inet_ntop(socket.AF_INET, packet[16:20]), 0))
        except OSError:
            pass


def looked_at(lab):
    """How many packets were rewritten or found damaged by rlvs."""
    rewritten = sum(s["stats"]["in_packets"] + s["stats"]["out_packets"]
                    for s in lab.director().services())
    names = ("truncated", "malformed", "fragment", "icmp_error", "conflict", "no_destination")
    return dict({name: lab.counter(name) for name in names}, rewritten=rewritten)


def test_storm(lab):
    seed = int(os.environ.get("FUZZ_SEED", str(time.time_ns() & 0xFFFFFFFF)))
    print(f"    # FUZZ_SEED={seed}, {SECONDS:.0f} s", flush=True)
    for flow in ALL:
        lab.servers.listen(flow, [8001])
        lab.balance(flow, ports="8001")
        if flow in UDP:
            lab.balance(flow, ports="8009", port=81)
    packets = real_packets(lab)
    kinds = {protocol_of(p) for p in packets}
    check(kinds >= {1, TCP, UDP_NUMBER, SCTP_NUMBER, 44, 58}, f"captured protocols: {kinds}")
    # The kernel's SCTP handles an ABORT that meets a busy socket in a way that lockdep dislikes.
    for flow in SCTP:
        lab.servers.stop(flow, 8001)
    storm, before = Storm(seed, packets), looked_at(lab)
    ways = ((Raw(lab.client, "eth", lab.lb, "wan"), INTO_HOST), (Host(lab), FROM_HOST))
    sent = dict.fromkeys((INTO_HOST, FROM_HOST), 0)
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        for way, name in ways:
            way.send(storm.next())
            sent[name] += 1
    after = looked_at(lab)
    moved = {name: count - before[name] for name, count in after.items()}
    print(f"    # sent {sent}, of which {moved}", flush=True)
    for name in ("truncated", "malformed", "fragment", "rewritten"):
        check(moved[name] > 20, f"too few packets of the storm were {name}: {moved}")
    check(len(lab.conns()) <= sum(sent.values()), "more entries than packets")
    for flow in SCTP:
        lab.servers.listen(flow, [8001])
    for flow in ALL:
        for where, source in ((lab.client, flow.client), (lab.lb, flow.host)):
            with talk(where, flow, source=source) as conversation:
                conversation.bulk(50_000)
