# SPDX-License-Identifier: GPL-2.0
"""A change takes effect for the next connection and disturbs none that exists."""

from lib.clients import served_by, talk
from lib.ktap import each, equal
from lib.lab import FLOWS


@each(FLOWS)
def test_every_kind_of_change_while_connections_live(lab, flow):
    lab.servers.listen(flow, range(8001, 8005))
    service = lab.balance(flow, ports="8001-8002")
    held = [talk(lab.client, flow) for _ in range(4)] + [talk(lab.lb, flow) for _ in range(4)]
    changes = (
        f"dest add {service} :8003 --method nat",
        f"dest edit {service} :8001 --weight 9",
        f"service edit {service} --scheduler wrr",
        f"service edit {service} --scheduler wlc",
        f"dest edit {service} :8001-8003 --weight 0",
        f"dest del {service} :8003",
        f"service zero {service}",
        f"service add {flow.service(81)}",
        f"service del {flow.service(81)}",
    )
    for change in changes:
        lab.rlvs(change)
        for conversation in held:
            conversation.say(change.encode())
    for conversation in held:
        conversation.close()


@each(FLOWS)
def test_the_next_connection_sees_it(lab, flow):
    lab.servers.listen(flow, range(8001, 8004))
    service = lab.balance(flow, ports="8001")
    equal(served_by(lab.client, flow, 2), {8001: 2}, "at first")
    lab.rlvs(f"dest add {service} :8002 --method nat")
    equal(served_by(lab.client, flow, 2), {8001: 1, 8002: 1}, "with a second destination")
    lab.rlvs(f"dest del {service} :8001")
    equal(served_by(lab.client, flow, 2), {8002: 2}, "without the first one")
    lab.rlvs(f"dest add {service} :8003 --weight 3 --method nat")
    lab.rlvs(f"service edit {service} --scheduler wrr")
    equal(served_by(lab.client, flow, 4), {8002: 1, 8003: 3}, "with weights 1 and 3")
