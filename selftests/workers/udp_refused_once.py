# SPDX-License-Identifier: GPL-2.0
"""A UDP client that goes on sending is refused once when its worker dies, then served by another."""

from lib.clients import talk
from lib.ktap import check, each, equal, wait_until
from lib.lab import UDP, Lab


def make_lab():
    """The lab, where an error is sent for every datagram."""
    lab = Lab()
    lab.lb.unlimit_icmp()
    return lab


def say(conversation, data=b"next"):
    """Sends a datagram and waits for its answer; the server's port, or None when refused."""
    conversation.port = None  # it may be another server than before
    try:
        conversation.say(data)
    except ConnectionRefusedError:
        return None
    return conversation.port


def entries(lab):
    """The destinations' ports of the entries that there are."""
    return [c["destination_port"] for c in lab.conns()]


@each(UDP)
def test_the_next_datagram_goes_to_a_worker_that_lives(lab, flow):
    for scheduler in ("rr", "wlc", "sh"):
        lab.servers.listen(flow, [8001, 8002])
        service = lab.balance(flow, ports="8001-8002", scheduler=scheduler)
        for where in (lab.client, lab.lb):
            with talk(where, flow) as conversation:
                dead = conversation.port
                lab.servers.stop(flow, dead)
                equal(say(conversation), None, "the datagram to the dead worker")
                for _ in range(5):
                    equal(say(conversation), 8003 - dead + 8000, f"the server ({scheduler})")
                lab.servers.listen(flow, [dead])
        lab.reset()
        equal(entries(lab), [], f"entries of {service}")


@each(UDP)
def test_a_persistent_client_too(lab, flow):
    lab.servers.listen(flow, [8001, 8002])
    service = lab.balance(flow, ports="8001-8002")
    lab.rlvs(f"service edit {service} --persistent 300")
    with talk(lab.client, flow) as conversation:
        dead = conversation.port
        lab.servers.stop(flow, dead)
        equal(say(conversation), None, "the datagram to the dead worker")
        equal(say(conversation), 8003 - dead + 8000, "the server")


@each(UDP)
def test_without_another_each_datagram_is_refused(lab, flow):
    """The client is never left without an answer, and is served once a worker is back."""
    lab.servers.listen(flow, [8001])
    lab.balance(flow, ports="8001")
    with talk(lab.client, flow) as conversation:
        lab.servers.stop(flow, 8001)
        for _ in range(3):
            equal(say(conversation), None, "a datagram to nobody")
        equal(entries(lab), [], "entries")
        lab.servers.listen(flow, [8001])
        equal(say(conversation), 8001, "the server")


@each(UDP)
def test_another_error_ends_no_flow(lab, flow):
    """Unless it is port unreachable it says nothing of the process."""
    lab.servers.listen(flow, [8001, 8002])
    lab.balance(flow, ports="8001-8002")
    kind = "icmp type host-unreachable" if flow.version == 4 else "icmpv6 type addr-unreachable"
    with talk(lab.client, flow) as conversation, talk(lab.client, flow) as other:
        before = lab.counter("icmp_error")
        lab.lb.must("nft", "add table inet t; add chain inet t c "
                    "{ type filter hook input priority 0; }; add rule inet t c "
                    f"udp dport {conversation.port} reject with {kind}")
        try:
            conversation.sock.send(b"refused by the firewall")
            wait_until(lambda: lab.counter("icmp_error") == before + 1, "the error is sent")
        finally:
            lab.lb.must("nft", "delete table inet t")
        equal(sorted(entries(lab)), [8001, 8002], "entries")
        equal(say(conversation, b"again"), conversation.port, "the server")
        check(say(other) is not None, "the other flow was refused")
