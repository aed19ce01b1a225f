# SPDX-License-Identifier: GPL-2.0
"""A client that uses its port again at once is connected at once."""

from lib.clients import talk
from lib.ktap import each, equal, in_time, wait_until
from lib.lab import TCP

SOURCE_PORT = 41000


def settle(lab):
    """Waits until the connections have ended on the host, too. Their last packets may be on another
    CPU than the next SYN: that one would find a connection, and be answered so (RFC 9293 section
    3.10.7.4)."""
    wait_until(lambda: not lab.lb.must("ss", "-Htn", "state", "connected", "exclude", "time-wait"),
               "the last packets have come in")


def again(lab, flow, where, source):
    """Connects from the port just used; it must take no retransmission of the SYN."""
    with talk(where, flow, source=source, source_port=SOURCE_PORT) as conversation:
        in_time(conversation.connect_time < 0.9,
                f"connecting took {conversation.connect_time:.2f} s, as if the first SYN was lost")
        conversation.bulk(20_000)
        equal(conversation.name[1], SOURCE_PORT, "the client's port")
    settle(lab)


def reset(lab, conversation):
    """Ends it by a reset, and waits for the same reason."""
    served = lab.servers.served(conversation.name)
    conversation.close(reset=True)
    wait_until(lambda: served.ended, "the reset has come in")


@each(TCP)
def test_after_a_reset(lab, flow):
    lab.servers.listen(flow, range(8001, 8005))
    lab.balance(flow)
    for where, source in ((lab.client, flow.client), (lab.lb, flow.vip)):
        for _ in range(6):
            with talk(where, flow, source=source, source_port=SOURCE_PORT) as conversation:
                conversation.say(b"hello")
                reset(lab, conversation)
        again(lab, flow, where, source)


@each(TCP)
def test_after_the_server_closed(lab, flow):
    """The entry and the server are in TIME_WAIT, the client's port is free."""
    lab.servers.listen(flow, range(8001, 8003))
    lab.balance(flow, ports="8001-8002")
    for _ in range(6):
        with talk(lab.client, flow, source=flow.client, source_port=SOURCE_PORT) as conversation:
            lab.servers.finish(lab.servers.served(conversation.name))
            equal(conversation.ends(), "closed", "how the connection ended")
        settle(lab)
        again(lab, flow, lab.client, flow.client2)


@each(TCP)
def test_the_same_destination_again(lab, flow):
    """With conn_reuse_mode 0 as long as the entry is there; in turn with any other value."""
    lab.servers.listen(flow, range(8001, 8005))
    lab.balance(flow)
    for mode, expected in ((0, 1), (1, 4), (2, 4)):
        lab.lb.sysctl("net.ipv4.vs.conn_reuse_mode", mode)
        ports = set()
        for _ in range(4):
            with talk(lab.client, flow, source=flow.client, source_port=SOURCE_PORT) as one:
                in_time(one.connect_time < 0.9, f"connecting took {one.connect_time:.2f} s")
                one.bulk(20_000)
                ports.add(one.port)
                reset(lab, one)
        equal(len(ports), expected, f"destinations of four connections with {mode}: {ports}")
    lab.lb.sysctl("net.ipv4.vs.conn_reuse_mode", 1)
