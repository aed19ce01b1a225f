# SPDX-License-Identifier: GPL-2.0
"""Every network namespace is by itself, and may vanish at any time."""

from lib.clients import served_by, talk
from lib.ktap import check, each, equal, fewer, wait_until
from lib.lab import FLOWS, Lab, TCP4, UDP6


@each(FLOWS)
def test_a_service_belongs_to_one_namespace(lab, flow):
    """The same service in two namespaces has its own destinations and connections in each."""
    other = Lab()
    for each_lab, ports in ((lab, "8001-8002"), (other, "9001")):
        each_lab.servers.listen(flow, [8001, 8002, 9001])
        each_lab.balance(flow, ports=ports)
    equal(served_by(lab.client, flow, 4), {8001: 2, 8002: 2}, "conversations in the one")
    equal(served_by(other.client, flow, 2), {9001: 2}, "conversations in the other")
    with talk(lab.client, flow) as conversation:
        other.rlvs("flush --now")
        equal(other.services(), [], "services of the flushed namespace")
        equal(len(lab.services()), 1, "services of the other one")
        conversation.bulk(20_000)
    other.reset()


def devices(namespace):
    """The names of a namespace's network devices."""
    lines = namespace.read("/proc/thread-self/net/dev").splitlines()[2:]
    return {line.split(":")[0].strip() for line in lines}


def test_namespaces_vanish_with_services_and_live_connections():
    for _ in range(fewer(20, 6)):
        doomed = Lab()
        for flow in (TCP4, UDP6):
            doomed.servers.listen(flow, [8001, 8002])
            doomed.balance(flow, ports="8001-8002")
        held = [talk(where, flow) for where in (doomed.client, doomed.lb) for flow in (TCP4, UDP6)]
        for conversation in held:
            conversation.say(b"alive")
        # The namespace is let go while everything is still there; its sockets go after it.
        doomed.lb.close()
        doomed.client.close()
        for conversation in held:
            conversation.close()
        doomed.servers.close_all()
    # The next ones work as the first did.
    lab = Lab()
    lab.servers.listen(TCP4, [8001])
    lab.balance(TCP4, ports="8001")
    equal(served_by(lab.client, TCP4, 2), {8001: 2}, "conversations afterwards")


def test_a_vanished_namespace_is_really_gone():
    """Its end of the link goes with it, and the client's end with that: who still held it?"""
    doomed = Lab()
    doomed.servers.listen(TCP4, [8001])
    doomed.balance(TCP4, ports="8001")
    conversation = talk(doomed.client, TCP4)
    conversation.close(reset=True)
    doomed.servers.close_all()
    check("eth" in devices(doomed.client), "the client has no link to begin with")
    doomed.lb.close()
    wait_until(lambda: "eth" not in devices(doomed.client), "the namespace is gone", limit=20)
