# SPDX-License-Identifier: GPL-2.0
"""Equal first packets at once on two processors become one connection.

Once it is answered, no reset is taken for the refusal of its first packet.
"""

import mmap
import os
import time

from lib.ktap import Skip, each, equal, fewer, seconds, wait_until
from lib.lab import TCP
from lib.packets import Raw, segment

PAIRS = fewer(400, 150)
# One of them listens: it takes a while until it is found, so that both packets look for it at once.
PORTS, LISTENING = "8001-8048", 8048
STEP, STEPS = 10e-6, 16  # seconds by which the second sender is later, and how often
FIRST_PORT = 10000
SEQUENCE = 1000
SECOND_TRIES = ("retried", "retry_not_kept", "retry_no_destination", "retry_not_handled")


def syns(flow):
    """SYNs of different connections."""
    return [segment(flow.client, flow.vip, FIRST_PORT + number, 80, seq=SEQUENCE)
            for number in range(PAIRS)]


def send_in_step(raw, packets, turns, own, late):
    """Sends each packet when the other process sends the same one: once a bit later, or twice at
    once, as TCP answers the second of equal SYNs again, and a third one only half a second later."""
    for number, packet in enumerate(packets, 1):
        turns[own] = number
        begun = time.monotonic()
        while turns[1 - own] < number:
            if time.monotonic() > begun + seconds(20):
                os._exit(1)
        begun = time.monotonic()
        while late and time.monotonic() < begun + number % STEPS * STEP:
            pass
        for _ in range(1 if late else 2):
            raw.send(packet)


def send_from_two_processors(lab, packets):
    """Sends each packet from both at once."""
    turns = memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("I")
    children = []
    for own, processor in enumerate(sorted(os.sched_getaffinity(0))[:2]):
        raw = Raw(lab.client, "eth", lab.lb, "wan")
        child = os.fork()
        if child == 0:
            os.sched_setaffinity(0, [processor])
            send_in_step(raw, packets, turns, own, own == 1)
            os._exit(0)
        children.append(child)
    equal([os.waitpid(child, 0)[1] for child in children], [0, 0], "the senders' results")


@each(TCP)
def test_a_reset_after_the_answer_is_no_refusal(lab, flow):
    """A SYN that comes again when the process is gone is answered with the same numbers that the
    first one's refusal would have."""
    if len(os.sched_getaffinity(0)) < 2:
        raise Skip("one processor")
    lab.lb.sysctl("net.ipv4.tcp_max_syn_backlog", 4 * PAIRS)
    lab.lb.sysctl("net.ipv4.tcp_syncookies", 0)
    lab.lb.sysctl("net.core.somaxconn", 4 * PAIRS)
    # The answers find no socket, and the client's resets must not end the connections.
    blocked = lab.client.run("nft", "-f", "-", input=(
        "table inet t { chain o { type filter hook output priority 0; tcp flags rst drop; }; }"))
    equal(blocked.stderr, "", "nft")
    with lab.lb:
        listener = flow.socket()
    try:
        with listener:
            listener.bind((flow.vip, LISTENING))
            listener.listen(4 * PAIRS)
            lab.balance(flow, ports=PORTS)
            packets = syns(flow)
            send_from_two_processors(lab, packets)
            wait_until(lambda: lab.counter("entries") == PAIRS, "all have an entry")
        before = {name: lab.counter(name) for name in SECOND_TRIES}
        raw = Raw(lab.client, "eth", lab.lb, "wan")
        for packet in packets:
            raw.send(packet)
        tried = {name: lab.counter(name) - before[name] for name in SECOND_TRIES}
        equal(tried, dict.fromkeys(SECOND_TRIES, 0), f"second tries of {PAIRS} answered SYNs")
    finally:
        lab.client.must("nft", "flush", "ruleset")
