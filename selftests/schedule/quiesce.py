# SPDX-License-Identifier: GPL-2.0
"""With weight 0 a destination keeps its connections and gets no new ones."""

from lib.clients import refusal, served_by, talk
from lib.ktap import each, equal
from lib.lab import FLOWS

PORTS = range(8001, 8003)


@each(FLOWS)
def test_connections_go_on_and_new_ones_go_elsewhere(lab, flow):
    lab.servers.listen(flow, PORTS)
    service = lab.balance(flow, ports="8001-8002")
    held = {c.port: c for c in (talk(lab.client, flow), talk(lab.client, flow))}
    equal(sorted(held), list(PORTS), "ports of the two conversations")
    lab.rlvs(f"dest edit {service} :8001 --weight 0")
    equal(served_by(lab.client, flow, 4), {8002: 4}, "new conversations by port")
    held[8001].bulk(20_000)
    held[8002].bulk(20_000)
    lab.rlvs(f"dest edit {service} :8001 --weight 1")
    equal(served_by(lab.client, flow, 4), {8001: 2, 8002: 2}, "with the weight back")
    for conversation in held.values():
        conversation.close()


@each(FLOWS)
def test_added_with_weight_0(lab, flow):
    lab.servers.listen(flow, PORTS)
    service = lab.balance(flow, ports="8001")
    lab.rlvs(f"dest add {service} :8002 --weight 0 --method nat")
    equal(served_by(lab.client, flow, 4), {8001: 4}, "conversations by port")


@each(FLOWS)
def test_all_quiesced_refuses_new_connections_only(lab, flow):
    lab.servers.listen(flow, PORTS)
    service = lab.balance(flow, ports="8001-8002")
    with talk(lab.client, flow) as held:
        lab.rlvs(f"dest edit {service} :8001-8002 --weight 0")
        equal(refusal(lab.client, flow), "refused", "a new connection")
        held.bulk(20_000)
