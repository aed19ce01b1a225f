# SPDX-License-Identifier: GPL-2.0
"""Several services on several addresses share the same destinations."""

from lib import genl
from lib.clients import served_by, talk
from lib.genl import N
from lib.ktap import each, equal
from lib.lab import FLOWS

PORTS = range(8001, 8003)


def three_services(lab, flow):
    """VIP:80, VIP:81 and VIP2:80, all over VIP:8001-8002."""
    lab.servers.listen(flow, PORTS)
    lab.balance(flow, ports="8001-8002", port=80)
    lab.balance(flow, ports="8001-8002", port=81)
    director, other = lab.director(), genl.service(flow, 80, flow.vip2)
    director.must(N["RLVS_CMD_SERVICE_ADD"], genl.service(flow, 80, flow.vip2, scheduler="rr"))
    director.must(N["RLVS_CMD_DESTINATION_ADD"],
                  genl.destination(other, PORTS[0], PORTS[-1], address=flow.vip))


@each(FLOWS)
def test_each_service_balances(lab, flow):
    three_services(lab, flow)
    for where in (lab.client, lab.lb):
        for address, port in ((flow.vip, 80), (flow.vip, 81), (flow.vip2, 80)):
            equal(served_by(where, flow, 4, port=port, address=address), {8001: 2, 8002: 2},
                  f"conversations with port {port} of {address}")


@each(FLOWS)
def test_conversations_with_all_of_them_at_once(lab, flow):
    three_services(lab, flow)
    held = [talk(lab.client, flow, port, address=address)
            for _ in range(3)
            for address, port in ((flow.vip, 80), (flow.vip, 81), (flow.vip2, 80))]
    for conversation in held:
        conversation.bulk(20_000)
    for conversation in held:
        conversation.close()


@each(FLOWS)
def test_counters_are_each_service_s_own(lab, flow):
    three_services(lab, flow)
    served_by(lab.client, flow, 3, port=80)
    served_by(lab.client, flow, 5, port=81)
    equal([lab.find(flow.service(port))["stats"]["connections"] for port in (80, 81)], [3, 5],
          "connections of the two services")


@each(FLOWS)
def test_deleting_one_leaves_the_others(lab, flow):
    three_services(lab, flow)
    kept = talk(lab.client, flow, 81)
    lab.rlvs(f"service del {flow.service(80)} --now")
    kept.bulk(20_000)
    equal(served_by(lab.client, flow, 2, port=81), {8001: 1, 8002: 1}, "conversations by port")
    kept.close()
