# SPDX-License-Identifier: GPL-2.0
"""A service on the wildcard address answers on every local address."""

from lib.clients import served_by, talk
from lib.ktap import each, equal
from lib.lab import FLOWS
from lib.servers import Servers

PORTS = range(8001, 8003)


def wildcard(lab, flow):
    """Adds the service tcp://*:80 or its like."""
    service = flow.service(80, flow.any)
    lab.rlvs(f"service add {service} --scheduler rr")
    lab.rlvs(f"dest add {service} :8001-8002 --method nat")
    return service


@each(FLOWS)
def test_any_local_address(lab, flow):
    wildcard(lab, flow)
    for address in (flow.vip, flow.vip2, flow.host):
        lab.servers.listen(flow, PORTS, address=address)
        for where in (lab.client, lab.lb):
            with talk(where, flow, address=address) as conversation:
                equal(conversation.local, address, "the address that the server was reached on")
                conversation.bulk(20_000)


@each(FLOWS)
def test_every_port_serves(lab, flow):
    lab.servers.listen(flow, PORTS)
    wildcard(lab, flow)
    equal(served_by(lab.client, flow, 6), {8001: 3, 8002: 3}, "conversations by port")


@each(FLOWS)
def test_a_service_with_an_address_goes_first(lab, flow):
    lab.servers.listen(flow, [8001, 8002, 9001])
    lab.servers.listen(flow, [8001, 8002], address=flow.vip2)
    wildcard(lab, flow)
    lab.balance(flow, ports="9001")
    equal(served_by(lab.client, flow, 4), {9001: 4}, "conversations with the VIP of the service")
    equal(served_by(lab.client, flow, 4, address=flow.vip2), {8001: 2, 8002: 2},
          "conversations with the other VIP")


@each(FLOWS)
def test_forwarded_traffic_is_left_alone(lab, flow):
    """Port 80 of a host that lb only forwards to is not a local address of lb."""
    if not hasattr(lab, "far"):
        lab.far = lab.add_host("203.0.113.2", "2001:db8:2::2")
        lab.far_servers = Servers(lab.far)
    address = "203.0.113.2" if flow.version == 4 else "2001:db8:2::2"
    wildcard(lab, flow)
    lab.far_servers.listen(flow, [80], address=address)
    equal(served_by(lab.client, flow, 2, address=address), {80: 2}, "conversations by port")
    lab.far_servers.close_all()
