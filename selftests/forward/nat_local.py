# SPDX-License-Identifier: GPL-2.0
"""Clients on the host itself reach the ports through the address as well."""

from lib.clients import served_by, talk
from lib.ktap import each, equal
from lib.lab import FLOWS, TCP4, UDP4

PORTS = range(8001, 8005)


@each(FLOWS)
def test_every_port_serves(lab, flow):
    lab.servers.listen(flow, PORTS)
    lab.balance(flow)
    equal(served_by(lab.lb, flow, 8), {port: 2 for port in PORTS}, "conversations by port")


@each(FLOWS)
def test_data_is_whole_both_ways(lab, flow):
    lab.servers.listen(flow, PORTS)
    lab.balance(flow)
    for source in (flow.vip, flow.vip2, flow.host):
        with talk(lab.lb, flow, source=source) as conversation:
            conversation.bulk()


@each([TCP4, UDP4])
def test_from_a_loopback_address(lab, flow):
    lab.servers.listen(flow, PORTS)
    lab.balance(flow)
    with talk(lab.lb, flow, source=flow.loopback) as conversation:
        equal(conversation.name[0], flow.loopback, "the client's address")
        conversation.bulk()


@each(FLOWS)
def test_local_and_remote_clients_together(lab, flow):
    lab.servers.listen(flow, PORTS)
    lab.balance(flow)
    held = [talk(where, flow) for _ in range(4) for where in (lab.lb, lab.client)]
    for conversation in held:
        conversation.bulk(20_000)
    equal(sorted(c.port for c in held), sorted(list(PORTS) * 2), "ports of the conversations")
    for conversation in held:
        conversation.close()
