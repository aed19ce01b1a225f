# SPDX-License-Identifier: GPL-2.0
"""Unusual packets, frames to all and detours do not reach a private destination's port.

Each is sent to a public destination's port as well, where it has to arrive: so the kernel takes it.
"""

import contextlib
import socket
import struct

from lib.clients import served_by
from lib.ktap import check, each, equal, wait_until
from lib.lab import FAMILIES, TCP, TCP6, UDP, UDP4, UDP6, Lab, of_ipv6
from lib.packets import (DESTINATION_OPTIONS, HOP_BY_HOP, Raw, Sniffer, datagram, extended,
                         fragments, ip_header, segment, segments_left)

PUBLIC, PRIVATE = 8001, 8002
SOURCE = 5555
TO_ALL = b"\xff" * 6


def make_lab():
    """The lab, which has a packet socket on the client's end of the link."""
    lab = Lab()
    lab.raw = Raw(lab.client, "eth", lab.lb, "wan")
    lab.to_all = Raw(lab.client, "eth", lab.lb, "wan", to=TO_ALL)
    lab.sniffer, lab.seen = Sniffer(lab.client, "eth"), []
    return lab


def serve(lab, flow, address=None):
    """A service with a public and a private destination, whose processes are on this address."""
    lab.servers.listen(flow, [PUBLIC, PRIVATE], address=address)
    service = flow.service(80)
    lab.rlvs(f"service add {service} --scheduler rr")
    lab.rlvs(f"dest add {service} :{PUBLIC} --method auto")
    lab.rlvs(f"dest add {service} :{PRIVATE} --method auto --private")
    return service


def packet(flow, port, address=None, data=b"anybody there?", **options):
    """A datagram or a SYN of the client."""
    if flow.protocol == "udp":
        return datagram(flow.client, address or flow.vip, SOURCE, port, data, **options)
    return segment(flow.client, address or flow.vip, SOURCE, port, **options)


def arrives(lab, flow, port):
    """Returns `true` once the process behind the port has a datagram, or has answered a SYN."""
    if flow.protocol == "udp":
        return lab.servers.datagrams[port] > 0
    place = 20 if flow.version == 4 else 40
    ports = struct.pack("!HH", port, SOURCE)
    lab.seen += lab.sniffer.waiting()  # also what comes before the packet that is looked for
    return any(p[place:place + 4] == ports and p[place + 13] == 0x12 for p in lab.seen)


def closed(lab, flow, make, line=None, what="it"):
    """What make(port) gives, a packet or several, arrives at the public port only."""
    line = line or lab.raw
    packets = {port: make(port) for port in (PUBLIC, PRIVATE)}
    before = lab.counter("private")
    list(lab.sniffer.waiting())
    lab.seen.clear()
    for port in (PRIVATE, PUBLIC):
        for one in packets[port] if isinstance(packets[port], list) else [packets[port]]:
            line.send(one)
    wait_until(lambda: arrives(lab, flow, PUBLIC), f"{flow}: the public port has {what}")
    check(not arrives(lab, flow, PRIVATE), f"{flow}: the private port has {what}")
    check(lab.counter("private") > before, f"{flow}: it is not counted")
    lab.servers.datagrams.clear()
    reset = segment(flow.client, flow.vip, SOURCE, PUBLIC, flags="R", seq=1)
    if flow.protocol == "tcp":
        lab.raw.send(reset)


@each(of_ipv6(TCP6, UDP6))
def test_ipv6_extension_headers(lab, flow):
    """As many as the kernel takes: twelve."""
    serve(lab, flow)
    for headers in ([DESTINATION_OPTIONS] * 7, [DESTINATION_OPTIONS] * 8,
                    [DESTINATION_OPTIONS] * 12, [HOP_BY_HOP] + [DESTINATION_OPTIONS] * 11):
        closed(lab, flow, lambda port, h=headers: extended(packet(flow, port), *h),
               what=f"what has {len(headers)} headers")


@each(of_ipv6(UDP6))
def test_a_datagram_without_a_length(lab, flow):
    """Linux takes the IP header's, over IPv6."""
    serve(lab, flow)
    closed(lab, flow, lambda port: no_length(packet(flow, port)))


def no_length(whole):
    """A datagram over IPv6 whose length is 0, and the checksum what it would be."""
    length, value = struct.unpack_from("!HH", whole, 44)
    # The length is once in the header and once in the pseudo header, which has the right one.
    total = (0xFFFF ^ value) - length
    value = 0xFFFF ^ (total % 0xFFFF)
    return whole[:44] + struct.pack("!HH", 0, value or 0xFFFF) + whole[48:]


@each(UDP)
def test_a_frame_to_all(lab, flow):
    """UDP takes it, whatever the IP address."""
    serve(lab, flow)
    closed(lab, flow, lambda port: packet(flow, port), lab.to_all)


@each(UDP)
def test_a_frame_to_all_that_is_odd(lab, flow):
    serve(lab, flow)

    def odd(port):
        whole = packet(flow, port)
        if flow.version == 6:
            return extended(whole, *[DESTINATION_OPTIONS] * 12)
        return optional(whole, flow.vip, bytes([1, 1, 1, 1]))

    closed(lab, flow, odd, lab.to_all)


GROUPS = {4: ("192.0.2.255", "255.255.255.255", "224.0.0.1"), 6: ("ff02::1",)}


@each(UDP)
def test_an_address_of_many(lab, flow):
    """Broadcast, multicast: a process on the wildcard address gets what is sent there."""
    serve(lab, flow, flow.any)
    for address in GROUPS[flow.version]:
        for line in (lab.raw, lab.to_all):
            closed(lab, flow, lambda port, a=address: packet(flow, port, a), line)


@each(of_ipv6(UDP6))
def test_an_anycast_address(lab, flow):
    """That of all routers of a subnet."""
    serve(lab, flow, flow.any)
    lab.lb.sysctl("net.ipv6.conf.all.forwarding", 1)
    try:
        closed(lab, flow, lambda port: packet(flow, port, "2001:db8::"))
    finally:
        lab.lb.sysctl("net.ipv6.conf.all.forwarding", 0)


@each(UDP)
def test_the_host_itself_may_send_to_a_group(lab, flow):
    """Its own packets come back by the device that they leave by."""
    serve(lab, flow, flow.any)
    with lab.lb, flow.socket() as sock:
        if flow.version == 4:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF,
                            socket.inet_aton(flow.host))
        index = socket.if_nametoindex("wan")
        for address in ("224.0.0.1", "192.0.2.255") if flow.version == 4 else ("ff02::1",):
            end = (address, PRIVATE) if flow.version == 4 else (address, PRIVATE, 0, index)
            lab.servers.datagrams.clear()
            sock.sendto(b"anybody there?", end)
            wait_until(lambda: arrives(lab, flow, PRIVATE), f"what is sent to {address} is there")


def optional(whole, address, options):
    """An IPv4 packet with other options, and this address as that of its destination."""
    source = socket.inet_ntop(socket.AF_INET, whole[12:16])
    return ip_header(source, address, whole[9], len(whole) - 20, options=options) + whole[20:]


@contextlib.contextmanager
def sysctls(lab, *names):
    """With these switched on."""
    for name in names:
        lab.lb.sysctl(name, 1)
    try:
        yield
    finally:
        for name in names:
            lab.lb.sysctl(name, 0)


@each([flow for flow in TCP + UDP if flow.version == 4])
def test_a_source_route_of_ipv4(lab, flow):
    """It is sent to another address of the host, which sends it on to the destination's."""
    serve(lab, flow)
    with sysctls(lab, "net.ipv4.conf.all.accept_source_route",
                 "net.ipv4.conf.wan.accept_source_route"):
        for kind in (131, 137):
            options = bytes([kind, 7, 4]) + socket.inet_aton(flow.vip)
            closed(lab, flow, lambda port, o=options: optional(packet(flow, port), flow.host, o))


@each([flow for flow in TCP + UDP if flow.version == 6])
def test_segment_routing_of_ipv6(lab, flow):
    serve(lab, flow)
    with sysctls(lab, "net.ipv6.conf.all.seg6_enabled", "net.ipv6.conf.wan.seg6_enabled"):
        for headers in ([], [DESTINATION_OPTIONS] * 8):
            route = [*headers, segments_left(flow.host, flow.vip)]

            def routed(port, way=route):
                whole = extended(packet(flow, port), *way)
                return whole[:24] + socket.inet_pton(socket.AF_INET6, flow.host) + whole[40:]

            closed(lab, flow, routed)


@each(UDP)
def test_fragments_that_are_not_put_together_before(lab, flow):
    """A rule has connection tracking pass them over, and defragmentation with it: what does that is
    delivery, later."""
    serve(lab, flow)
    lab.lb.must("nft", "-f", "-", input="table inet early { chain pre { type filter hook "
                                        "prerouting priority -450; notrack; }; }")
    try:
        closed(lab, flow, lambda port: in_pieces(packet(flow, port, data=bytes(1000))))
    finally:
        lab.lb.must("nft", "delete", "table", "inet", "early")


def in_pieces(whole):
    """Two fragments of a packet."""
    if whole[0] >> 4 == 4:
        return fragments(whole, 504)
    place, pieces = 40 + 504, []
    for start, part in ((0, whole[40:place]), (504, whole[place:])):
        field = start | (start == 0)
        header = whole[:4] + struct.pack("!H", len(part)) + whole[6:40]
        content = struct.pack("!BHI", 0, field, 7)
        pieces.append(extended(header + part, (44, content)))
    return pieces


@each(TCP)
def test_flags_that_open_nevertheless(lab, flow):
    """SYN with what a SYN has no use for."""
    serve(lab, flow)
    closed(lab, flow, lambda port: packet(flow, port, flags="SP"))


@each(TCP)
def test_a_cookie_that_came_through_the_service(lab, flow):
    """The process has sent it to the client with its own port, which the service has rewritten."""
    lab.servers.listen(flow, [PRIVATE])
    service = flow.service(80)
    lab.rlvs(f"service add {service} --scheduler rr")
    lab.rlvs(f"dest add {service} :{PRIVATE} --method nat --private")
    place = 20 if flow.version == 4 else 40
    stranger = "192.0.2.200" if flow.version == 4 else "2001:db8::200"
    lab.lb.ip(f"neigh replace {stranger} lladdr {lab.raw.source_mac} dev wan nud permanent")
    old = lab.lb.must("sysctl", "-n", "net.ipv4.tcp_syncookies").strip()
    lab.lb.sysctl("net.ipv4.tcp_syncookies", 2)
    try:
        lab.raw.send(segment(stranger, flow.vip, SOURCE, 80, seq=1000))
        found = lab.sniffer.first(lambda p: p[place:place + 4] == struct.pack("!HH", 80, SOURCE))
        check(found, "nothing answers the SYN")
        number, = struct.unpack_from("!I", found, place + 4)
        lab.rlvs(f"dest del {service} :{PRIVATE} --now")
        wait_until(lambda: not lab.conns(), "the entry is gone")
        lab.rlvs(f"dest add {service} :{PRIVATE} --method nat --private")
        before = lab.counter("private")
        lab.raw.send(segment(stranger, flow.vip, SOURCE, PRIVATE, flags="A", seq=1001,
                             ack=number + 1 & 0xFFFFFFFF))
        wait_until(lambda: lab.counter("private") == before + 1, "it is refused")
        equal(len(lab.servers.connections), 0, "connections")
        # A wrong one, of another time, is the host's to answer.
        lab.raw.send(segment(stranger, flow.vip, SOURCE, PRIVATE, flags="A", seq=1001,
                             ack=number + 1 + (1 << 31) & 0xFFFFFFFF))
        equal(served_by(lab.client, flow, 1), {PRIVATE: 1}, "through the service")
        equal(lab.counter("private"), before + 1, "refusals")
    finally:
        lab.lb.sysctl("net.ipv4.tcp_syncookies", old)


@each(FAMILIES)
def test_what_is_forwarded_or_to_others_is_left_alone(lab, flow):
    """A frame to all that goes to no address of the host, and a source route that ends elsewhere."""
    udp = UDP4 if flow.version == 4 else UDP6
    serve(lab, udp)
    elsewhere = "192.0.2.77" if flow.version == 4 else "2001:db8::77"
    before = lab.counter("private")
    lab.to_all.send(packet(udp, PRIVATE, elsewhere))
    if flow.version == 4:
        options = bytes([131, 7, 4]) + socket.inet_aton(elsewhere)
        lab.raw.send(optional(packet(udp, PRIVATE, elsewhere), udp.host, options))
    else:
        whole = extended(packet(udp, PRIVATE, elsewhere), segments_left(udp.host, elsewhere))
        lab.raw.send(whole[:24] + socket.inet_pton(socket.AF_INET6, udp.host) + whole[40:])
    lab.raw.send(packet(udp, PUBLIC))
    wait_until(lambda: arrives(lab, udp, PUBLIC), "the last one has come")
    equal(lab.counter("private"), before, "refusals")
