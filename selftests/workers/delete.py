# SPDX-License-Identifier: GPL-2.0
"""Deleting a service or a destination lets its connections finish; --now cuts them."""

import socket

from lib.clients import refusal, served_by, talk
from lib.ktap import check, each, equal, wait_until
from lib.lab import FLOWS, TCP, UDP

DELETIONS = ("service del {service}", "dest del {service} :8001-8002", "flush")
PORTS = range(8001, 8003)


def held_conversations(lab, flow):
    """A service with two destinations and a remote and a local conversation with each."""
    lab.servers.listen(flow, PORTS)
    service = lab.balance(flow, ports="8001-8002")
    return service, [talk(where, flow) for where in (lab.client, lab.lb) for _ in PORTS]


@each(FLOWS)
def test_connections_finish(lab, flow):
    for deletion in DELETIONS:
        service, held = held_conversations(lab, flow)
        lab.rlvs(deletion.format(service=service))
        for conversation in held:
            conversation.bulk(50_000)
        equal(refusal(lab.client, flow), "refused", f"a new connection after {deletion}")
        for conversation in held:
            conversation.close()
        lab.reset()


@each(TCP)
def test_the_end_of_a_connection_passes_too(lab, flow):
    """Without the entry the server would never hear that its client has closed."""
    service, held = held_conversations(lab, flow)
    lab.rlvs(f"service del {service}")
    for conversation in held:
        name = conversation.name
        conversation.close()
        wait_until(lambda n=name: lab.servers.served(n).ended == "closed",
                   f"the server of {name} saw the close")


@each(FLOWS)
def test_a_service_that_comes_back_leaves_old_connections_alone(lab, flow):
    service, held = held_conversations(lab, flow)
    lab.rlvs(f"service del {service}")
    lab.servers.listen(flow, [8003])
    lab.balance(flow, ports="8003")
    equal(served_by(lab.client, flow, 2), {8003: 2}, "new conversations by port")
    for conversation in held:
        conversation.bulk(20_000)
        conversation.close()


def cut_by(lab, flow, deletion):
    """Both ends of each connection are reset by a deletion, and no entry is left."""
    service, held = held_conversations(lab, flow)
    lab.rlvs(deletion.format(service=service))
    for conversation in held:
        served = lab.servers.served(conversation.name)
        equal(conversation.ends(), "reset", f"the client's end after {deletion}")
        wait_until(lambda s=served: s.ended is not None,
                   f"the server's end is closed after {deletion}")
        equal(served.ended, "reset", f"the server's end after {deletion}")
    equal(lab.conns(), [], "connection entries")
    lab.reset()


@each(TCP)
def test_now_resets_both_ends(lab, flow):
    for deletion in DELETIONS:
        cut_by(lab, flow, deletion + " --now")


@each(TCP)
def test_a_sysctl_makes_every_deletion_one_now(lab, flow):
    lab.lb.sysctl("net.ipv4.vs.expire_nodest_conn", 1)
    try:
        for deletion in DELETIONS:
            cut_by(lab, flow, deletion)
    finally:
        lab.lb.sysctl("net.ipv4.vs.expire_nodest_conn", 0)


@each(TCP)
def test_now_cuts_only_what_it_names(lab, flow):
    service, held = held_conversations(lab, flow)
    lab.rlvs(f"dest del {service} :8001 --now")
    for conversation in held:
        if conversation.port == 8001:
            equal(conversation.ends(), "reset", "a connection of the deleted destination")
        else:
            conversation.bulk(20_000)


@each(UDP)
def test_now_forgets_udp_flows(lab, flow):
    service, held = held_conversations(lab, flow)
    lab.rlvs(f"service del {service} --now")
    equal(lab.conns(), [], "connection entries")
    lab.servers.listen(flow, [8003])
    lab.balance(flow, ports="8003")
    held[0].sock.send(b"who are you now")
    answer = held[0].sock.recv(2048)
    check(answer.startswith(b"8003 "), f"the answer does not come from port 8003: {answer!r}")


@each(UDP)
def test_now_forgets_however_many_flows(lab, flow):
    lab.servers.listen(flow, PORTS)
    service = lab.balance(flow, ports="8001-8002")
    for number in range(900):
        with lab.client, socket.socket(flow.family, socket.SOCK_DGRAM) as sock:
            sock.bind((flow.client, 20_000 + number))
            sock.sendto(b"hello", (flow.vip, 80))
    wait_until(lambda: lab.counter("entries") == 900, "every datagram has made an entry")
    lab.rlvs(f"dest del {service} :8001 --now")
    equal({c["destination_port"] for c in lab.conns()}, {8002}, "destinations with entries")
    equal(len(lab.conns()), 450, "entries of the other destination")
    lab.rlvs("flush --now")
    equal(lab.conns(), [], "connection entries")
