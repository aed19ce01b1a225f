# SPDX-License-Identifier: GPL-2.0
"""A connection's socket is found though source NAT at INPUT shows it another peer."""

import collections
import time

from lib.clients import Conversation, refusal
from lib.ktap import each, equal, wait_until
from lib.lab import TCP
from lib.packets import Raw, segment

SHOWN = {4: "192.0.2.77", 6: "2001:db8::77"}
SOURCE_PORT = 40404
SHORT = 2  # seconds
QUIET = 3.5  # seconds for what takes two without a packet, and a look once a second


class Hidden(Conversation):
    """A conversation with a server that sees another peer."""

    peer = None

    def _meet(self, line):
        port, peer, peer_port, local = line.decode("ascii").split()
        self.peer, self.port, self.local = (peer, int(peer_port)), int(port), local


def hide(lab):
    """All clients are shown as one address: remote ones at INPUT, local ones at POSTROUTING."""
    rules = "\n".join(f"meta nfproto ipv{version} tcp dport {{ 80-82, 8001-8002 }} "
                      f"snat ip{'6' if version == 6 else ''} to {shown}"
                      for version, shown in SHOWN.items())
    lab.lb.must("nft", "-f", "-", input=f"""
        flush ruleset
        table inet hide {{
            chain show {{
                {rules}
            }}
            chain in {{
                type nat hook input priority 100
                jump show
            }}
            chain out {{
                type nat hook postrouting priority 100
                oif lo jump show
            }}
        }}
        """)


def talk(where, flow, port=80, **options):
    """A conversation whose server does not see the client."""
    conversation = Hidden(where, flow, port, **options)
    equal(conversation.peer[0], SHOWN[flow.version], "the peer that the server sees")
    return conversation


def both(lab, flow, port=80):
    """A conversation of a remote and of a local client."""
    return [talk(where, flow, port) for where in (lab.client, lab.lb)]


def in_flight(lab, service):
    """How many connections the destination has in flight, and whether it has drained."""
    found = lab.destinations(service)[8001]
    return found["in_flight"], found["drained"]


def counts(lab, service):
    """Active and inactive connections of the destination."""
    found = lab.destinations(service)[8001]
    return found["active_connections"], found["inactive_connections"]


def states(lab, port):
    """How many entries of the service on this port are in each state."""
    return collections.Counter(c["state"] for c in lab.conns() if c["service_port"] == port)


def test_idle_connections_are_not_taken_for_over(lab):
    """By their timeout, by draining, and where they are steered. Draining does not take them for
    over either when connection tracking has forgotten who their peer is."""
    hide(lab)
    idle, draining, steered = {}, {}, {}
    for flow in TCP:
        lab.servers.listen(flow, [8001])
        service = lab.balance(flow, ports="8001", port=80)
        lab.rlvs(f"service edit {service} --timeout-tcp {SHORT}")
        idle[flow] = both(lab, flow)
        service = lab.balance(flow, ports="8001", port=81)
        draining[service] = both(lab, flow, 81)
        service = lab.steer(flow, ports="8001", port=82, scheduler="lc")
        steered[service] = both(lab, flow, 82)
    for service in draining:
        lab.rlvs(f"dest edit {service} :8001 --weight 0")
    # Not a wait for something to happen, but for nothing to happen.
    time.sleep(2 * SHORT + 1)
    equal(states(lab, 80), {"ESTABLISHED": 4}, "idle entries")
    for conversation in sum(idle.values(), []):
        conversation.bulk(20_000)
    for service, steer in zip(draining, steered):
        equal(in_flight(lab, service), (2, False), "in flight and drained")
        equal(counts(lab, steer), (2, 0), "steered connections")

    for service, held in steered.items():
        for left, conversation in zip((1, 0), held):
            lab.servers.finish(lab.servers.served(conversation.peer))
            wait_until(lambda n=left, s=service: counts(lab, s)[0] == n,
                       lambda n=left: f"{n} active connections when the server has closed")
            conversation.close()
    for conversation in sum(idle.values(), []):
        conversation.close()
    wait_until(lambda: states(lab, 80) == {"TIME_WAIT": 4}, lambda: f"closed: {lab.conns()}")

    lab.lb.must("conntrack", "-F")
    time.sleep(QUIET)
    for service, held in draining.items():
        equal(in_flight(lab, service), (2, False), "in flight and drained, when it has forgotten")
        for conversation in held:
            conversation.say(b"still there")
            conversation.close()
        wait_until(lambda s=service: in_flight(lab, s) == (0, True), "it has drained in the end")
    for service in steered:
        equal(counts(lab, service), (0, 0), "steered connections that have ended")


@each(TCP)
def test_cutting_ends_them(lab, flow):
    hide(lab)
    lab.servers.listen(flow, [8001])
    services = lab.balance(flow, ports="8001"), lab.steer(flow, ports="8001", port=81)
    for port, service in zip((80, 81), services):
        held = both(lab, flow, port)
        lab.rlvs(f"dest del {service} :8001 --now")
        for conversation in held:
            equal(conversation.ends(), "reset", f"how it ends for the client of {service}")
            served = lab.servers.served(conversation.peer)
            wait_until(lambda s=served: s.ended == "reset", f"it ends for {service} as well")
            conversation.close()
    equal(lab.conns(), [], "entries")


@each(TCP)
def test_strangers_cannot_end_them(lab, flow):
    """The process would not take a reset with such a number, so it means nothing."""
    hide(lab)
    lab.servers.listen(flow, [8001])
    lab.balance(flow, ports="8001")
    conversation = talk(lab.client, flow)
    raw = Raw(lab.client, "eth", lab.lb, "wan")
    for number in range(3):
        raw.send(segment(conversation.name[0], flow.vip, conversation.name[1], 80, flags="R",
                         seq=number << 30))
    conversation.say(b"still there")
    equal(states(lab, 80), {"ESTABLISHED": 1}, "the state")
    conversation.close(reset=True)
    wait_until(lambda: states(lab, 80) == {"CLOSE": 1}, "its own reset ends it")


@each(TCP)
def test_a_straight_connection_goes_first(lab, flow):
    """The balanced one of the same client port would be the same one to the process."""
    hide(lab)
    lab.servers.listen(flow, [8001, 8002])
    lab.balance(flow, ports="8001")
    lab.balance(flow, ports="8001-8002", port=81)
    for where, source in ((lab.client, flow.client), (lab.lb, flow.vip)):
        ends = {"source": source, "source_port": SOURCE_PORT}
        straight = talk(where, flow, 8001, **ends)
        equal(refusal(where, flow, 80, **ends), "refused", "the balanced connection")
        with talk(where, flow, 81, **ends) as balanced:
            equal(balanced.port, 8002, "the destination of the balanced connection")
            straight.bulk(20_000)
            balanced.close(reset=True)
        straight.close(reset=True)
