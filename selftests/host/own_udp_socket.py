# SPDX-License-Identifier: GPL-2.0
"""The host's own connected UDP sockets on a service's port get their peers' answers."""

import socket

from lib.clients import talk
from lib.ktap import each, equal, seconds, wait_until
from lib.lab import UDP


def own_socket(lab, flow, peer, port=80):
    """A socket on lb that is bound to the service's end and connected to a peer."""
    with lab.lb:
        sock = flow.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((flow.vip, port))
    sock.connect(peer)
    sock.settimeout(seconds(3))
    return sock


def peer_socket(where, flow, address):
    """A socket elsewhere that answers what it gets."""
    with where:
        sock = flow.socket()
    sock.bind((address, 0))
    sock.settimeout(seconds(3))
    return sock


def exchange(own, peer, vip):
    """Asks the peer and has the answer come to the host's own socket."""
    for number in range(3):
        own.send(b"question %d" % number)
        question, source = peer.recvfrom(100)
        equal(source[:2], (vip, 80), "where the question came from")
        peer.sendto(b"to " + question, source)
        equal(own.recv(100), b"to question %d" % number, "the answer")


@each(UDP)
def test_an_older_socket_keeps_its_peer(lab, flow):
    lab.servers.listen(flow, [8001, 8002])
    for where, address in ((lab.client, flow.client), (lab.lb, flow.host)):
        with peer_socket(where, flow, address) as peer:
            with own_socket(lab, flow, peer.getsockname()[:2]) as own:
                lab.balance(flow, ports="8001-8002")
                exchange(own, peer, flow.vip)
                equal(lab.conns(), [], "entries")
                # All other clients are balanced.
                for other in (lab.client, lab.lb):
                    talk(other, flow).close()
                equal(len(lab.conns()), 2, "entries")
        lab.director().flush_now()


@each(UDP)
def test_a_socket_of_each_packet_scheduling(lab, flow):
    """One-packet scheduling makes no entries, and asks for each datagram."""
    lab.servers.listen(flow, [8001])
    with peer_socket(lab.client, flow, flow.client) as peer:
        with own_socket(lab, flow, peer.getsockname()[:2]) as own:
            service = lab.balance(flow, ports="8001")
            lab.rlvs(f"service edit {service} --flags ops")
            exchange(own, peer, flow.vip)
            talk(lab.client, flow).close()


@each(UDP)
def test_on_the_wildcard_address(lab, flow):
    lab.servers.listen(flow, [8001])
    with peer_socket(lab.client, flow, flow.client) as peer:
        with own_socket(lab, flow, peer.getsockname()[:2]) as own:
            lab.balance(flow, ports="8001", address=flow.any)
            exchange(own, peer, flow.vip)
            talk(lab.client, flow).close()


@each(UDP)
def test_errors_about_its_datagrams(lab, flow):
    """A port unreachable for what the socket sends comes to the socket, and opens no entry."""
    lab.servers.listen(flow, [8001])
    lab.client.unlimit_icmp()
    lab.lb.sysctl("net.ipv4.vs.schedule_icmp", 1)
    try:
        with own_socket(lab, flow, (flow.client, 9)) as own:
            lab.balance(flow, ports="8001")
            own.send(b"anybody there?")

            def is_refused():
                try:
                    own.send(b"anybody there?")
                except ConnectionRefusedError:
                    return True
                return False

            wait_until(is_refused, "the socket hears of the closed port")
            equal(lab.conns(), [], "entries")
    finally:
        lab.lb.sysctl("net.ipv4.vs.schedule_icmp", 0)
