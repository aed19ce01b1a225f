# SPDX-License-Identifier: GPL-2.0
"""Connection entries follow the states of the TCP connections."""

from lib.clients import talk
from lib.ktap import check, each, equal, wait_until
from lib.lab import TCP, TCP4
from lib.packets import Raw, segment


def entry(lab, client):
    """The connection entry of a client (address, port), or None."""
    found = [c for c in lab.conns() if (c["client_address"], c["client_port"]) == client]
    check(len(found) <= 1, f"{client} has {len(found)} entries")
    return found[0] if found else None


def state(lab, client):
    """Its state, or None."""
    found = entry(lab, client)
    return found and found["state"]


def reaches(lab, client, states):
    """Waits until the entry is in one of these states."""
    wait_until(lambda: state(lab, client) in states,
               lambda: f"the state is one of {states}; it is {state(lab, client)}", limit=5)


def connected(lab, flow):
    """A conversation with the only destination."""
    lab.servers.listen(flow, [8001])
    lab.balance(flow, ports="8001")
    return talk(lab.client, flow)


@each(TCP)
def test_an_entry_tells_the_whole_connection(lab, flow):
    with connected(lab, flow) as conversation:
        found = entry(lab, conversation.name)
        check(found, "the connection has no entry")
        expires = found.pop("expires")
        check(0 < expires <= 900, f"expires is {expires}, wanted up to 900 s")
        equal(found, {
            "protocol": "tcp",
            "client_address": conversation.name[0], "client_port": conversation.name[1],
            "service_address": flow.vip, "service_port": 80,
            "destination_address": flow.vip, "destination_port": 8001,
            "state": "ESTABLISHED",
        }, "the entry")


@each(TCP)
def test_the_client_closes_first(lab, flow):
    conversation = connected(lab, flow)
    conversation.close()
    reaches(lab, conversation.name, ("TIME_WAIT", "CLOSE", "FIN_WAIT", "LAST_ACK"))


@each(TCP)
def test_half_closed_still_carries_data(lab, flow):
    """The client has sent all it has, the server has not: both directions stay usable."""
    with connected(lab, flow) as conversation:
        served = lab.servers.served(conversation.name)
        conversation.sock.sendall(b"x" * 100_000)
        conversation.sock.shutdown(1)
        received = 0
        while part := conversation.sock.recv(65536):
            received += len(part)
        equal(received, 100_000, "bytes that came back after the half close")
        wait_until(lambda: served.ended == "closed", "the server saw the end")


@each(TCP)
def test_a_reset_closes(lab, flow):
    conversation = connected(lab, flow)
    conversation.close(reset=True)
    reaches(lab, conversation.name, ("CLOSE",))
    expires = entry(lab, conversation.name)["expires"]
    check(expires <= 10, f"a closed connection's entry expires in {expires} s, wanted up to 10")


@each(TCP)
def test_a_stranger_s_reset_or_fin_changes_nothing(lab, flow):
    """Whoever has not seen the connection cannot know its numbers; the process ignores such a
    segment, and so does the entry."""
    with connected(lab, flow) as conversation:
        raw = Raw(lab.client, "eth", lab.lb, "wan")
        for flags in ("R", "RA", "FA", "F"):
            before = lab.find(flow.service(80))["stats"]["in_packets"]
            raw.send(segment(conversation.name[0], flow.vip, conversation.name[1], 80,
                             flags=flags, seq=0x1234, ack=0x4321))
            wait_until(lambda b=before: lab.find(flow.service(80))["stats"]["in_packets"] > b,
                       "the segment has come")
            equal(state(lab, conversation.name), "ESTABLISHED", f"the state after {flags}")
        conversation.say(b"still here")
        conversation.close(reset=True)
        reaches(lab, conversation.name, ("CLOSE",))


@each(TCP)
def test_active_and_inactive_are_counted(lab, flow):
    conversation = connected(lab, flow)
    service = flow.service(80)
    other = talk(lab.client, flow)

    def load():
        found = lab.destinations(service)[8001]
        return found["active_connections"], found["inactive_connections"]

    equal(load(), (2, 0), "(active, inactive) with two connections")
    conversation.close(reset=True)
    wait_until(lambda: load()[0] == 1,
               lambda: f"one active connection is left; (active, inactive) is {load()}")
    with other:
        other.say(b"still here")


def test_a_lone_syn_is_no_established_connection(lab):
    """A SYN whose answer nobody acknowledges: the client's kernel is told to keep out of it."""
    lab.servers.listen(TCP4, [8001])
    lab.balance(TCP4, ports="8001")
    lab.client.ip("addr add 192.0.2.200/24 dev eth", "addr del 192.0.2.200/24 dev eth")
    raw = Raw(lab.client, "eth", lab.lb, "wan")
    lab.lb.ip(f"neigh replace 192.0.2.200 lladdr {raw.source_mac} dev wan nud permanent")
    raw.send(segment("192.0.2.200", TCP4.vip, 5555, 80, flags="S"))
    wait_until(lambda: entry(lab, ("192.0.2.200", 5555)), "the SYN made an entry")
    check(state(lab, ("192.0.2.200", 5555)) in ("SYN_RECEIVED", "SYN_ACK"),
          f"the state is {state(lab, ('192.0.2.200', 5555))}")
    expires = entry(lab, ("192.0.2.200", 5555))["expires"]
    check(expires <= 60, f"the entry of a lone SYN expires in {expires} s, wanted up to 60")


def test_a_stray_segment_makes_no_entry(lab):
    """Only a SYN opens a connection."""
    lab.servers.listen(TCP4, [8001])
    lab.balance(TCP4, ports="8001")
    raw = Raw(lab.client, "eth", lab.lb, "wan")
    for number, flags in enumerate(("A", "R", "F", "FA", "SA", "SR", "SF", "")):
        raw.send(segment("192.0.2.100", TCP4.vip, 6000 + number, 80, flags=flags))
    with talk(lab.client, TCP4, source_port=7000):
        equal([c["client_port"] for c in lab.conns()], [7000], "client ports with an entry")
