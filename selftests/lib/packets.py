# SPDX-License-Identifier: GPL-2.0
"""Packets made by hand, right and wrong, and sent past the sender's own stack."""

import fcntl
import os
import select
import socket
import struct
import time

from lib.ktap import seconds

ETH_P_ALL = 0x0003
SIOCGIFHWADDR = 0x8927
SO_RCVBUFFORCE = 33
TCP_FLAGS = {"F": 1, "S": 2, "R": 4, "P": 8, "A": 16}


def ones_complement_sum(data):
    """Returns the 16-bit one's complement sum (RFC 1071), not inverted."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def _octets(address):
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def l4_checksum(source, destination, protocol, segment_bytes):
    """Returns the checksum field of a TCP or UDP packet whose field is zero."""
    src, dst = _octets(source), _octets(destination)
    if len(src) == 4:
        pseudo = src + dst + struct.pack("!BBH", 0, protocol, len(segment_bytes))
    else:
        pseudo = src + dst + struct.pack("!I3xB", len(segment_bytes), protocol)
    value = 0xFFFF ^ ones_complement_sum(pseudo + segment_bytes)
    return value or 0xFFFF if protocol == socket.IPPROTO_UDP else value


def ip_header(source, destination, protocol, payload_length, *, length=None, options=b"",
              fragment=0):
    """Returns an IPv4 or IPv6 header; `length` lies about it, `fragment` is the raw field."""
    src, dst = _octets(source), _octets(destination)
    if len(src) == 16:
        stated = payload_length if length is None else length
        return struct.pack("!IHBB", 6 << 28, stated & 0xFFFF, protocol, 64) + src + dst
    options += b"\0" * (-len(options) % 4)
    words = 5 + len(options) // 4
    stated = words * 4 + payload_length if length is None else length
    header = struct.pack("!BBHHHBBH", 4 << 4 | words, 0, stated & 0xFFFF, 1, fragment, 64,
                         protocol, 0) + src + dst + options
    check = 0xFFFF ^ ones_complement_sum(header)
    return header[:10] + struct.pack("!H", check) + header[12:]


def datagram(source, destination, source_port, port, data=b"", *, checksum=None, length=None,
             **header):
    """Returns a UDP packet; checksum and length of the UDP header can be made wrong."""
    stated = 8 + len(data) if length is None else length
    body = struct.pack("!HHHH", source_port, port, stated, 0) + data
    value = l4_checksum(source, destination, 17, body) if checksum is None else checksum
    body = body[:6] + struct.pack("!H", value) + data
    return ip_header(source, destination, 17, len(body), **header) + body


def segment(source, destination, source_port, port, *, flags="S", seq=0, ack=0, data=b"",
            checksum=None, data_offset=5, **header):
    """Returns a TCP packet."""
    bits = sum(TCP_FLAGS[f] for f in flags)
    body = struct.pack("!HHIIBBHHH", source_port, port, seq, ack, data_offset << 4, bits,
                       65535, 0, 0) + data
    value = l4_checksum(source, destination, 6, body) if checksum is None else checksum
    body = body[:16] + struct.pack("!H", value) + body[18:]
    return ip_header(source, destination, 6, len(body), **header) + body


# An IPv6 destination options header that says nothing, as extended() takes it.
DESTINATION_OPTIONS = 60, bytes([0, 1, 4, 0, 0, 0, 0])
HOP_BY_HOP = 0, DESTINATION_OPTIONS[1]


def extended(packet, *headers):
    """Puts extension headers before what an IPv6 packet has: of each the type, and all but the
    first byte, which says what comes next."""
    kinds = [kind for kind, _ in headers] + [packet[6]]
    chain = b"".join(bytes([following]) + content
                     for following, (_, content) in zip(kinds[1:], headers))
    return (packet[:4] + struct.pack("!HB", len(packet) - 40 + len(chain), kinds[0])
            + packet[7:40] + chain + packet[40:])


def segments_left(*segments):
    """Returns a segment routing header (RFC 8754) of a packet that is at the first of these
    addresses, for extended(): it goes on to the others."""
    octets = b"".join(_octets(address) for address in reversed(segments))
    last = len(segments) - 1
    return 43, bytes([len(octets) // 8, 4, last, last, 0, 0, 0]) + octets


def icmp_error(source, destination, kind, code, quoted, rest=0):
    """Returns an ICMP error about a packet, whole or cut; `rest` is its second word (an MTU)."""
    message = struct.pack("!BBHI", kind, code, 0, rest) + quoted
    if ":" in source:
        value = l4_checksum(source, destination, socket.IPPROTO_ICMPV6, message)
        protocol = socket.IPPROTO_ICMPV6
    else:
        value = 0xFFFF ^ ones_complement_sum(message)
        protocol = socket.IPPROTO_ICMP
    message = message[:2] + struct.pack("!H", value) + message[4:]
    return ip_header(source, destination, protocol, len(message)) + message


def fragments(packet, size):
    """Returns the fragments of an IPv4 packet without options, `size` bytes of data each."""
    data = packet[20:]
    parts = []
    for start in range(0, len(data), size):
        part = data[start:start + size]
        more = 0x2000 if start + size < len(data) else 0
        source, destination = (socket.inet_ntop(socket.AF_INET, packet[at:at + 4])
                               for at in (12, 16))
        parts.append(ip_header(source, destination, packet[9], len(part),
                               fragment=more | start // 8) + part)
    return parts


def _crc32c_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


CRC32C = _crc32c_table()


def crc32c(data):
    """Returns the checksum of an SCTP packet whose field is zero (RFC 9260 appendix A)."""
    register = 0xFFFFFFFF
    for byte in data:
        register = register >> 8 ^ CRC32C[(register ^ byte) & 0xFF]
    return register ^ 0xFFFFFFFF


def crc_is_wrong_by(body):
    """Returns the difference between an SCTP packet's checksum and the right one."""
    return struct.unpack_from("<I", body, 8)[0] ^ crc32c(body[:8] + bytes(4) + body[12:])


def sctp_init(source, destination, source_port, port, *, addresses=(), damage=0, tag=0xCAFE):
    """Returns an SCTP packet with an INIT that lists these addresses of the sender; its checksum is
    wrong by `damage`."""
    value = struct.pack("!IIHHI", tag, 65536, 10, 10, 1)
    for address in addresses:
        octets = _octets(address)
        value += struct.pack("!HH", 5 if len(octets) == 4 else 6, 4 + len(octets)) + octets
    body = struct.pack("!HHII", source_port, port, 0, 0) + struct.pack(
        "!BBH", 1, 0, 4 + len(value)) + value
    body = body[:8] + struct.pack("<I", crc32c(body) ^ damage) + body[12:]
    return ip_header(source, destination, 132, len(body)) + body


def sctp_data(source, destination, source_port, port, kind=0, tag=0xCAFE):
    """Returns an SCTP packet with one chunk of this type, whose value is zero."""
    body = struct.pack("!HHII", source_port, port, tag, 0) + struct.pack("!BBH12x", kind, 3, 16)
    body = body[:8] + struct.pack("<I", crc32c(body)) + body[12:]
    return ip_header(source, destination, 132, len(body)) + body


def l4_is_right(packet):
    """Returns whether a TCP or UDP packet's checksum is right (no IPv4 options, no extensions)."""
    if packet[0] >> 4 == 4:
        start, protocol = (packet[0] & 15) * 4, packet[9]
        end = struct.unpack_from("!H", packet, 2)[0]
        ends = packet[12:20]
    else:
        start, protocol = 40, packet[6]
        end = 40 + struct.unpack_from("!H", packet, 4)[0]
        ends = packet[8:40]
    body = packet[start:end]
    pseudo = ends + struct.pack("!I3xB", len(body), protocol)
    return ones_complement_sum(pseudo + body) == 0xFFFF


def link_address(namespace, device):
    """Returns a device's Ethernet address."""
    with namespace, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        answer = fcntl.ioctl(probe, SIOCGIFHWADDR, struct.pack("256s", device.encode()))
    return answer[18:24]


class Raw:
    """A packet socket on one end of a link: sends IP packets to the other end's host, or to
    the link address `to`."""

    def __init__(self, namespace, device, peer, peer_device, to=None):
        source, destination = link_address(namespace, device), to or link_address(peer, peer_device)
        self.source_mac = source.hex(":")
        self._addresses = destination + source
        with namespace:
            self._sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self._sock.bind((device, ETH_P_ALL))

    def send(self, packet):
        """Sends one IP packet, of whatever quality."""
        kind = 0x86DD if packet and packet[0] >> 4 == 6 else 0x0800
        self._sock.send(self._addresses + struct.pack("!H", kind) + packet)

    def send_in_order(self, *packets):
        """Sends packets that are handled in this order: a link keeps that of one processor's."""
        processors = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(processors)})
        try:
            for packet in packets:
                self.send(packet)
        finally:
            os.sched_setaffinity(0, processors)


class Sniffer:
    """Copies of the IP packets that arrive at a device."""

    def __init__(self, namespace, device, room=None):
        with namespace:
            self._sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM,
                                       socket.htons(ETH_P_ALL))
            self._sock.bind((device, ETH_P_ALL))
        if room:
            self._sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, room)

    def waiting(self):
        """Returns the packets that have arrived and were not read."""
        while select.select([self._sock], [], [], 0)[0]:
            yield self._sock.recv(65536)

    def first(self, wanted, limit=5.0):
        """Returns the first packet for which wanted(packet) holds, or None."""
        deadline = time.monotonic() + seconds(limit)
        while (left := deadline - time.monotonic()) > 0:
            if select.select([self._sock], [], [], left)[0]:
                packet = self._sock.recv(65536)
                if wanted(packet):
                    return packet
        return None
