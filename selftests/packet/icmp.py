# SPDX-License-Identifier: GPL-2.0
"""ICMP errors about balanced flows are translated as their packets are, in both directions.

An error quotes the packet that caused it. Whoever gets the error looks for the socket by
what is quoted, so each of these tests shows that addresses and ports in there were right.
"""

import errno
import socket
import struct

from lib import kernel
from lib.capture import Capture, fields
from lib.clients import is_refused, talk
from lib.ktap import check, each, equal, seconds, wait_until
from lib.lab import FAMILIES, SCTP, TCP, TCP4, UDP, UDP4, DistantLab
from lib.packets import Raw, datagram, icmp_error, segment

CLOSED = 8009
# IP_RECVERR and IPV6_RECVERR: also errors that may pass are told to a socket.
REPORT_ERRORS = {4: (socket.IPPROTO_IP, 11), 6: (socket.IPPROTO_IPV6, 25)}


def make_lab():
    """With a third host, so that there is a path with a narrow link."""
    kernel.need("sctp")
    return DistantLab()


def connected(where, flow, address=None):
    """A UDP socket that is told of errors."""
    with where:
        sock = socket.socket(flow.family, socket.SOCK_DGRAM)
    sock.settimeout(seconds(3))
    sock.connect((address or flow.vip, 80))
    return sock


def hears_of_the_end(lab, where, flow, address):
    """Whether a client is told that the process is gone which has its flow, on this address."""
    service = flow.service(80)
    lab.rlvs(f"service add {service} --scheduler rr")
    lab.rlvs(f"dest add {service} {flow.endpoint(address, CLOSED)} --method nat")
    with lab.lb:
        process = socket.socket(flow.family, socket.SOCK_DGRAM)
    with process, connected(where, flow) as client:
        process.bind((address, CLOSED))
        process.settimeout(seconds(3))
        client.send(b"ask")
        process.recv(100)
        process.close()
        told = is_refused(client)
    lab.rlvs(f"service del {service} --now")
    return told


def serve(lab, flow, destination):
    """A service of port 80 with this one destination."""
    service = flow.service(80)
    lab.rlvs(f"service add {service} --scheduler rr")
    lab.rlvs(f"dest add {service} {destination} --method nat")


def test_a_closed_port_is_told_to_the_client(lab):
    """As coming from the service, wherever the destination is; tshark judges the errors."""
    before = lab.counter("icmp_error")
    with Capture(lab.client, "eth", "icmp or icmp6") as capture:
        for flow in UDP:
            for address in (flow.vip, flow.host):
                check(hears_of_the_end(lab, lab.client, flow, address),
                      f"{flow}: the client is not told")
    equal(lab.counter("icmp_error"), before + 4, "translated errors")
    rows = fields(capture.path, "icmp.checksum.status", "icmpv6.checksum.status",
                  "ip.checksum.status", "ip.src", "ipv6.src", "ip.dst", "ipv6.dst",
                  "udp.dstport", only="icmp.type == 3 || icmpv6.type == 1")
    wanted = []
    for flow in UDP:
        # Of the message, and of the packet that it quotes.
        sources, targets = f"{flow.vip},{flow.client}", f"{flow.client},{flow.vip}"
        wanted += 2 * [("1", "", "1,1", sources, "", targets, "", "80") if flow.version == 4 else
                       ("", "1", "", "", sources, "", targets, "80")]
    equal(rows, wanted, "the errors on the wire (status 1: good)")


@each(UDP)
def test_a_closed_port_is_told_to_a_local_client(lab, flow):
    for address in (flow.vip, flow.host):
        check(hears_of_the_end(lab, lab.lb, flow, address), "the client is not told")


@each(UDP)
def test_a_client_that_is_gone_is_told_to_the_server(lab, flow):
    """The host's own error or a remote one goes to the destination's socket."""
    serve(lab, flow, ":8001")
    for where in (lab.client, lab.lb):
        with lab.lb:
            server = socket.socket(flow.family, socket.SOCK_DGRAM)
        server.bind((flow.vip, 8001))
        server.settimeout(seconds(3))
        with connected(where, flow) as client:
            client.send(b"ask")
            peer = server.recvfrom(100)[1]
        server.connect(peer)
        check(is_refused(server), "the server is not told")
        server.close()


@each(TCP + SCTP)
def test_path_mtu_discovery(lab, flow):
    """A router beyond which packets must be smaller says so to the service's address."""
    lab.servers.listen(flow, [8001])
    lab.servers.listen(flow, [8001], address=flow.host)
    for destination in (":8001", flow.endpoint(flow.host, 8001)):
        serve(lab, flow, destination)
        narrow(lab, 1300)
        before = lab.counter("icmp_error")
        try:
            with talk(lab.distant, flow) as conversation:
                conversation.bulk(100_000)
        finally:
            narrow(lab, 1500)
        check(lab.counter("icmp_error") > before, "no router's error was translated")
        forget_paths(lab)
        lab.rlvs(f"service del {flow.service(80)} --now")


def narrow(lab, mtu):
    """The link between router and distant host lets packets of this size through.

    The distant host asks for segments of the usual size all the same.
    """
    lab.client.ip(f"link set far mtu {mtu}")
    lab.distant.ip(f"link set eth mtu {mtu}",
                   "route replace default via 203.0.113.1 advmss 1460",
                   "route replace ::/0 via 2001:db8:9::1 advmss 1440")


def forget_paths(lab):
    """The next test learns the path's size anew."""
    lab.lb.ip("route flush cache")
    lab.lb.must("ip", "-6", "route", "flush", "cache")


@each(UDP)
def test_a_router_that_gives_up_is_told_to_the_server(lab, flow):
    """Time exceeded and a host that is not reached, as a router sends them."""
    serve(lab, flow, ":8001")
    with lab.lb:
        server = socket.socket(flow.family, socket.SOCK_DGRAM)
    server.setsockopt(*REPORT_ERRORS[flow.version], 1)
    server.bind((flow.vip, 8001))
    server.settimeout(seconds(3))
    with connected(lab.client, flow) as client:
        client.send(b"ask")
        peer = server.recvfrom(100)[1]
        server.connect(peer)
        line = Raw(lab.client, "eth", lab.lb, "wan")
        quoted = datagram(flow.vip, peer[0], 80, peer[1], b"an answer")
        router = "192.0.2.77" if flow.version == 4 else "2001:db8::77"
        unreachable, exceeded = ((3, 1), (11, 0)) if flow.version == 4 else ((1, 3), (3, 0))
        for kind, code in (unreachable, exceeded):
            line.send(icmp_error(router, flow.vip, kind, code, quoted))
            told = wait_until(lambda: server.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR),
                              f"the server is told of type {kind}", limit=3)
            equal(told, errno.EHOSTUNREACH, f"what type {kind} means to the server")
    server.close()


@each(FAMILIES)
def test_errors_that_are_nobodys_stay_as_they_are(lab, flow):
    """About a flow that there is not, or to somebody who did not send the packet."""
    udp = UDP4 if flow is TCP4 else UDP[1]
    serve(lab, udp, ":8001")
    lab.servers.listen(udp, [8001])
    before = lab.counter("icmp_error")
    line = Raw(lab.client, "eth", lab.lb, "wan")
    kind = 3 if flow.version == 4 else 1
    with talk(lab.client, udp) as conversation:
        address, port = conversation.name
        theirs = datagram(flow.vip, address, 80, port + 1, b"to another port")
        line.send(icmp_error(flow.client, flow.vip, kind, 3, theirs))
        ours = datagram(flow.vip, address, 80, port, b"from somebody else")
        line.send(icmp_error(flow.client, flow.vip2, kind, 3, ours))
        # A part of a quoted header is not taken for the whole.
        cut = ours[:-len(b"from somebody else") - 1]
        line.send(icmp_error(flow.client, flow.vip, kind, 3, cut))
        tcp = segment(flow.vip, address, 80, port)
        line.send(icmp_error(flow.client, flow.vip, kind, 3, tcp))
        conversation.say(b"still there")
    equal(lab.counter("icmp_error"), before, "translated errors")


@each(UDP)
def test_the_quoted_checksum_is_what_the_sender_wrote(lab, flow):
    """Somebody who compares the quoted packet with what was sent finds it the same."""
    serve(lab, flow, flow.endpoint(flow.host, CLOSED))
    with lab.client:
        listener = socket.socket(flow.family, socket.SOCK_RAW,
                                 socket.IPPROTO_ICMP if flow.version == 4
                                 else socket.IPPROTO_ICMPV6)
    listener.settimeout(seconds(3))
    sent = datagram(flow.client, flow.vip, 5555, 80, b"compare this")
    Raw(lab.client, "eth", lab.lb, "wan").send(sent)
    while True:
        message = listener.recv(2048)
        message = message[20:] if flow.version == 4 else message
        if message[0] == (3 if flow.version == 4 else 1):
            break
    quoted = message[8:]
    length = 20 if flow.version == 4 else 40
    equal(quoted[length:], sent[length:], "the quoted datagram")
    check(struct.unpack_from("!H", quoted, length + 2)[0] == 80, "the port is not the service's")
    listener.close()
