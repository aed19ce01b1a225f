# SPDX-License-Identifier: GPL-2.0
"""Two flows whose packets would be equal after rewriting never damage each other.

A destination sees only the client's address and port and its own. So two
flows from the same client port that reach the same destination port cannot be told
apart there; the second has to go elsewhere or be refused, and the first must not notice.
"""

from lib.clients import refusal, talk
from lib.ktap import check, each, equal
from lib.lab import FLOWS, TCP, UDP

SOURCE_PORT = 40000


def sides(lab):
    """A remote and a local client."""
    return (lab.client, lab.lb)


def source_of(lab, flow, where):
    """The address that a client there uses, which binding a port would leave open."""
    return flow.client if where is lab.client else flow.vip


@each(FLOWS)
def test_two_services_from_one_client_port(lab, flow):
    """Both succeed, with different destinations."""
    lab.servers.listen(flow, [8001, 8002])
    for port in (80, 81):
        lab.balance(flow, ports="8001-8002", port=port)
    for where in sides(lab):
        source = {"source": source_of(lab, flow, where), "source_port": SOURCE_PORT}
        first = talk(where, flow, 80, **source)
        second = talk(where, flow, 81, **source)
        equal({first.port, second.port}, {8001, 8002}, "the destinations of the two flows")
        for conversation in (first, second, first, second):
            conversation.bulk(50_000)
        for conversation in (first, second):
            conversation.close(reset=flow.protocol == "tcp")


@each(FLOWS)
def test_more_services_than_destinations(lab, flow):
    """One destination, two services: the second flow is refused, the first lives."""
    lab.servers.listen(flow, [8001])
    for port in (80, 81):
        lab.balance(flow, ports="8001", port=port)
    for where in sides(lab):
        source = {"source": source_of(lab, flow, where), "source_port": SOURCE_PORT}
        first = talk(where, flow, 80, **source)
        before = lab.counter("no_destination")
        equal(refusal(where, flow, 81, **source), "refused", "the second flow")
        check(lab.counter("no_destination") > before, "the refusal was not counted")
        first.bulk(50_000)
        first.close(reset=flow.protocol == "tcp")


@each(FLOWS)
def test_straight_to_the_port_of_a_balanced_flow(lab, flow):
    """The newcomer is not served; nothing it sends may reach the balanced connection."""
    lab.servers.listen(flow, [8001])
    lab.balance(flow, ports="8001")
    for where in sides(lab):
        source = {"source": source_of(lab, flow, where), "source_port": SOURCE_PORT}
        balanced = talk(where, flow, 80, **source)
        before = lab.counter("conflict")
        outcome = refusal(where, flow, 8001, limit=1, **source)
        check(outcome != "served", "a flow that cannot be told from the balanced one was served")
        check(lab.counter("conflict") > before, "the conflict was not counted")
        balanced.bulk(50_000)
        balanced.close(reset=flow.protocol == "tcp")


@each(FLOWS)
def test_straight_to_the_port_from_another_client_port(lab, flow):
    """Without a conflict a destination's own port is an ordinary port."""
    lab.servers.listen(flow, [8001])
    lab.balance(flow, ports="8001")
    for where in sides(lab):
        with talk(where, flow, 80) as balanced, talk(where, flow, 8001) as straight:
            for conversation in (balanced, straight, balanced, straight):
                conversation.bulk(50_000)


@each(TCP)
def test_a_straight_connection_goes_first(lab, flow):
    """The balanced newcomer gets the other destination, and where there is none is refused."""
    lab.servers.listen(flow, [8001, 8002])
    lab.balance(flow, ports="8001", port=80)
    lab.balance(flow, ports="8001-8002", port=81)
    for where in sides(lab):
        source = {"source": source_of(lab, flow, where), "source_port": SOURCE_PORT}
        straight = talk(where, flow, 8001, **source)
        equal(refusal(where, flow, 80, **source), "refused", "the balanced flow")
        straight.bulk(50_000)
        with talk(where, flow, 81, **source) as balanced:
            equal(balanced.port, 8002, "the destination of the balanced flow")
            balanced.bulk(50_000)
            straight.bulk(50_000)
            balanced.close(reset=True)
        straight.close(reset=True)


@each(UDP)
def test_a_straight_udp_flow_goes_first(lab, flow):
    """UDP has no connections to look for: the balanced flow is right, the other not wrong."""
    lab.servers.listen(flow, [8001])
    lab.balance(flow, ports="8001")
    for where in sides(lab):
        source = {"source": source_of(lab, flow, where), "source_port": SOURCE_PORT}
        straight = talk(where, flow, 8001, **source)
        balanced = talk(where, flow, 80, **source)
        straight.sock.settimeout(0.5)
        try:
            straight.sock.send(b"straight")
        except OSError:
            pass
        balanced.bulk()
        try:
            answer = straight.sock.recv(2048)
            check(answer.endswith(b"\nstraight"), f"the straight flow got {answer!r}")
        except OSError:
            pass  # dropped, which is what cannot be served rightly deserves
        balanced.bulk()
        straight.close()
        balanced.close()
