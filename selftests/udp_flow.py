# SPDX-License-Identifier: GPL-2.0
"""A UDP flow stays with its destination; another one is balanced anew."""

from lib.clients import talk
from lib.ktap import check, each, equal
from lib.lab import UDP


@each(UDP)
def test_a_flow_keeps_its_destination(lab, flow):
    lab.servers.listen(flow, range(8001, 8005))
    lab.balance(flow)
    for where in (lab.client, lab.lb):
        with talk(where, flow) as conversation:
            # say() checks that it is the same server each time.
            for number in range(10):
                conversation.say(b"datagram %d" % number)


@each(UDP)
def test_a_socket_that_comes_back_is_the_same_flow(lab, flow):
    """The flow is known by its addresses and ports until it expires."""
    lab.servers.listen(flow, range(8001, 8005))
    lab.balance(flow)
    ports = set()
    for _ in range(4):
        with talk(lab.client, flow, source=flow.client, source_port=40000) as conversation:
            ports.add(conversation.port)
    equal(len(ports), 1, "servers of the one flow")


@each(UDP)
def test_one_entry_for_both_directions(lab, flow):
    lab.servers.listen(flow, range(8001, 8005))
    lab.balance(flow)
    with talk(lab.client, flow) as conversation:
        conversation.bulk()
        found = lab.conns()
        equal(len(found), 1, "entries")
        expires = found[0].pop("expires")
        check(290 <= expires <= 300, f"expires is {expires}, wanted about 300 s")
        equal(found[0], {
            "protocol": "udp",
            "client_address": conversation.name[0], "client_port": conversation.name[1],
            "service_address": flow.vip, "service_port": 80,
            "destination_address": flow.vip, "destination_port": conversation.port,
            "state": "UDP",
        }, "the entry")
