# SPDX-License-Identifier: GPL-2.0
"""Clients are served where SYNPROXY stands before a service.

It answers a client in the place of the destination, and opens the connection there in the client's
name when the client has returned its cookie.
"""

from lib.clients import refusal, talk
from lib.genl import NAT, STEER
from lib.ktap import each, equal, wait_until
from lib.lab import TCP, TCP4, TCP6

SOURCE_PORT = 40404


class Way:
    """An address family and a method."""

    def __init__(self, flow, method):
        self.flow, self.method = flow, method

    def __str__(self):
        return f"{self.flow} {self.method}"

    def prepare(self, lab, device="wan"):
        """A service behind SYNPROXY, for clients that come in by the device."""
        lab.servers.listen(self.flow, [8001])
        lab.director().add(self.flow, 80, "8001", "rr", method=NAT if self.is_nat() else STEER)
        lab.lb.sysctl("net.netfilter.nf_conntrack_tcp_loose", 0)
        lab.lb.must("nft", "-f", "-", input=f"""
            flush ruleset
            table inet proxy {{
                chain before {{
                    type filter hook prerouting priority -300
                    iif {device} tcp dport {{ 80, 8001 }} tcp flags & (syn|ack) == syn notrack
                }}
                chain out {{
                    type filter hook output priority -300
                    oif {device} tcp dport {{ 80, 8001 }} tcp flags & (syn|ack) == syn notrack
                }}
                chain in {{
                    type filter hook input priority 0
                    iif {device} tcp dport {8001 if self.is_nat() else 80} \
                        ct state invalid,untracked \
                        synproxy mss 1440 wscale 7 timestamp sack-perm
                    iif wan ct state invalid drop
                }}
            }}
            """)

    def is_nat(self):
        """Whether the connection has an entry, and INPUT sees the destination's port."""
        return self.method == "nat"


EACH = [Way(flow, method) for flow in TCP for method in ("nat", "steer")]


def states(lab, client_port):
    """The states of a client's entries."""
    return {c["state"] for c in lab.conns() if c["client_port"] == client_port}


@each(EACH)
def test_connections_and_their_ends(lab, way):
    way.prepare(lab)
    before = lab.counter("conflict")
    # What is steered has no entry that would have to follow.
    for closed_by in ("client", "server", "reset") if way.is_nat() else ("client",):
        conversation = talk(lab.client, way.flow)
        equal(conversation.port, 8001, "the server")
        conversation.bulk(50_000)
        served = lab.servers.served(conversation.name)
        if closed_by == "server":
            lab.servers.finish(served)
            equal(conversation.ends(), "closed", "how it ends for the client")
        conversation.close(reset=closed_by == "reset")
        wanted = "reset" if closed_by == "reset" else "closed"
        wait_until(lambda s=served, w=wanted: s.ended == w, f"the server sees it: {closed_by}")
        if way.is_nat():
            wanted = {"CLOSE" if closed_by == "reset" else "TIME_WAIT"}
            wait_until(lambda p=conversation.name[1], w=wanted: states(lab, p) == w,
                       lambda c=closed_by: f"the entry, closed by {c}: {lab.conns()}")
    equal(lab.counter("conflict") - before, 0, "conflicts")


@each([TCP4])
def test_a_client_s_port_again(lab, flow):
    """The entry of the connection before gives way. Connection tracking is made to forget it, which
    SYNPROXY depends on, whoever the server is."""
    Way(flow, "nat").prepare(lab)
    for _ in range(2):
        with talk(lab.client, flow, source_port=SOURCE_PORT) as conversation:
            conversation.bulk(20_000)
            conversation.close(reset=True)
        lab.lb.must("conntrack", "-F")


@each([TCP6])
def test_a_local_client_straight_to_the_port(lab, flow):
    """It is no SYNPROXY: two connections of one client port are kept apart."""
    Way(flow, "nat").prepare(lab)
    source = {"source": flow.vip, "source_port": SOURCE_PORT}
    with talk(lab.lb, flow, **source) as balanced:
        before = lab.counter("conflict")
        equal(refusal(lab.lb, flow, 8001, limit=1, **source), "timeout", "the straight one")
        equal(lab.counter("conflict") > before, True, "whether it was counted")
        balanced.bulk(20_000)
        balanced.close(reset=True)


@each([EACH[0], EACH[3]])
def test_a_local_client(lab, way):
    way.prepare(lab, device="lo")
    with talk(lab.lb, way.flow) as conversation:
        equal(conversation.port, 8001, "the server")
        conversation.bulk(50_000)
