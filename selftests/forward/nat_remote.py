# SPDX-License-Identifier: GPL-2.0
"""Clients on another host reach many local ports through one address."""

from lib.clients import served_by, talk
from lib.ktap import each, equal
from lib.lab import FLOWS, TCP, UDP4

PORTS = range(8001, 8005)


@each(FLOWS)
def test_every_port_serves(lab, flow):
    lab.servers.listen(flow, PORTS)
    lab.balance(flow)
    equal(served_by(lab.client, flow, 8), {port: 2 for port in PORTS}, "conversations by port")


@each(FLOWS)
def test_data_is_whole_both_ways(lab, flow):
    """The conversation also checks that the server sees the client's own address and port."""
    lab.servers.listen(flow, PORTS)
    lab.balance(flow)
    for source in (flow.client, flow.client2):
        with talk(lab.client, flow, source=source) as conversation:
            equal(conversation.name[0], source, "the client's address")
            conversation.bulk()


@each(FLOWS)
def test_many_conversations_at_once(lab, flow):
    lab.servers.listen(flow, PORTS)
    lab.balance(flow)
    held = [talk(lab.client, flow) for _ in range(20)]
    for conversation in held + held[::-1]:
        conversation.say(b"still there?")
    equal(sorted(c.port for c in held), sorted(list(PORTS) * 5), "ports of the conversations")
    for conversation in held:
        conversation.close()


@each(FLOWS)
def test_destination_on_another_local_address(lab, flow):
    """For local clients too."""
    lab.serve_elsewhere(flow)
    for where in (lab.client, lab.lb):
        with talk(where, flow) as conversation:
            equal((conversation.local, conversation.port), (flow.host, 9000), "the server")
            conversation.bulk()


@each(TCP)
def test_the_server_closes_first(lab, flow):
    lab.servers.listen(flow, PORTS)
    lab.balance(flow)
    with talk(lab.client, flow) as conversation:
        lab.servers.finish(lab.servers.served(conversation.name))
        equal(conversation.ends(), "closed", "how the connection ended")


def test_udp_without_a_checksum(lab):
    """A sender may leave the checksum of UDP over IPv4 out; it must stay left out."""
    so_no_check = 11
    lab.servers.listen(UDP4, PORTS)
    lab.balance(UDP4)
    with talk(lab.client, UDP4) as conversation:
        conversation.sock.setsockopt(1, so_no_check, 1)
        conversation.bulk()
