# SPDX-License-Identifier: GPL-2.0
"""Odd but legal packets (broadcast, port 0, untracked, raw) are balanced or left alone rightly."""

import socket

from lib.clients import refusal, served_by, talk
from lib.ktap import check, each, equal, wait_until
from lib.lab import FLOWS, TCP, TCP4, UDP, UDP4
from lib.packets import Raw, datagram, segment

EVERYBODY = b"\xff" * 6


def line(lab, to=None):
    """A packet socket on the client's end of the link, to lb or to another link address."""
    return Raw(lab.client, "eth", lab.lb, "wan", to=to)


def served(lab):
    """Datagrams and connections that the servers have got."""
    return sum(lab.servers.datagrams.values()) + len(lab.servers.connections)


def barrier(lab, flow):
    """Returns when what was sent before has been handled: the link keeps the order."""
    lab.servers.listen(flow, [7000])
    talk(lab.client, flow, 7000).close()


@each(FLOWS)
def test_a_frame_to_everybody_is_no_clients(lab, flow):
    """A unicast packet in a broadcast frame: neither balanced nor answered."""
    lab.servers.listen(flow, [8001])
    lab.balance(flow, ports="8001")
    make = segment if flow.protocol == "tcp" else datagram
    line(lab, EVERYBODY).send(make(flow.client, flow.vip, 5555, 80))
    barrier(lab, flow)
    equal((lab.conns(), lab.servers.datagrams[8001]), ([], 0), "entries and datagrams")
    line(lab).send(make(flow.client, flow.vip, 5555, 80))
    wait_until(lambda: len(lab.conns()) == 1, "the same packet in a frame to lb is balanced")


def test_broadcast_and_multicast_are_no_services(lab):
    """Not even that of the wildcard address, which stands for the host's own addresses."""
    flow = UDP4
    lab.servers.listen(flow, [8001], address=flow.any)
    lab.balance(flow, ports="8001", address=flow.any)
    for target in ("192.0.2.255", "255.255.255.255", "224.0.0.1"):
        for to in (None, EVERYBODY):
            line(lab, to).send(datagram(flow.client, target, 5555, 80, b"to all"))
    barrier(lab, TCP4)
    equal((lab.conns(), served(lab) - 1), ([], 0), "entries and datagrams")


@each(UDP)
def test_from_port_0(lab, flow):
    """Legal in UDP for a sender that wants no answer: balanced like any other."""
    lab.servers.listen(flow, [8001])
    lab.balance(flow, ports="8001")
    line(lab).send(datagram(flow.client, flow.vip, 0, 80, b"no answer, please"))
    wait_until(lambda: lab.servers.datagrams[8001] == 1, "the server gets it")
    equal([entry["client_port"] for entry in lab.conns()], [0], "the entry")


@each(FLOWS)
def test_to_port_0(lab, flow):
    """No service has it, and the packet is the host's to refuse."""
    lab.balance(flow, ports="8001")
    make = segment if flow.protocol == "tcp" else datagram
    line(lab).send(make(flow.client, flow.vip, 5555, 0))
    barrier(lab, flow)
    equal(lab.conns(), [], "entries")


@each(TCP)
def test_services_are_not_chained(lab, flow):
    """A destination that is another service's address is the process that listens there."""
    lab.servers.listen(flow, [81, 8001])
    lab.balance(flow, ports="81", port=80)
    lab.balance(flow, ports="8001", port=81)
    for where in (lab.client, lab.lb):
        equal(served_by(where, flow, 2, port=80), {81: 2}, "who serves port 80")
        equal(served_by(where, flow, 2, port=81), {8001: 2}, "who serves port 81")


@each(FLOWS)
def test_two_services_that_point_at_each_other(lab, flow):
    """No packet goes round: a connection is refused at once, as nobody listens."""
    lab.balance(flow, ports="81", port=80)
    lab.balance(flow, ports="80", port=81)
    for where in (lab.client, lab.lb):
        for port in (80, 81):
            equal(refusal(where, flow, port), "refused", f"port {port} from {where}")
    check(len(lab.conns()) <= 4, "more entries than connections were tried")


@each(FLOWS)
def test_untracked_packets(lab, flow):
    """What the raw table exempts from connection tracking is balanced all the same."""
    lab.lb.run("modprobe", "nf_conntrack")
    rules = """
        table inet watch {
            chain in { type filter hook prerouting priority raw; notrack; }
            chain out { type filter hook output priority raw; notrack; }
            chain seen { type filter hook input priority 0; ct state != untracked counter drop; }
        }
    """
    done = lab.lb.run("nft", "-f", "-", input="flush ruleset" + rules)
    equal(done.returncode, 0, done.stderr)
    try:
        lab.serve_both(flow)
        for where in (lab.client, lab.lb):
            for _ in range(2):
                with talk(where, flow) as conversation:
                    conversation.bulk(20_000)
    finally:
        lab.lb.must("nft", "flush", "ruleset")


def test_a_raw_sockets_packets(lab):
    """A packet that a process writes with its own header is balanced like any other."""
    flow = UDP4
    lab.servers.listen(flow, [8001])
    lab.balance(flow, ports="8001")
    with lab.lb:
        sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    sock.sendto(datagram(flow.vip2, flow.vip, 5555, 80, b"raw"), (flow.vip, 0))
    wait_until(lambda: lab.servers.datagrams[8001] == 1, "the server gets it")
    sock.close()
