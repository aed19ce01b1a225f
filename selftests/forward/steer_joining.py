# SPDX-License-Identifier: GPL-2.0
"""No SYN is refused while processes join and leave a steered destination's SO_REUSEPORT group.

A socket is a member of its group a moment before it is one that RCU keeps. As long as another
member listens, a SYN of that moment goes there.
"""

import os
import signal
import socket
import time

from lib.flood import Flood
from lib.ktap import check, each, equal, fewer
from lib.lab import TCP

SYNS = 1024  # in a chunk
SECONDS = 4


def join_and_leave(flow, port):
    """Listens on the port and closes, without end. In a process of its own."""
    while True:
        with flow.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            sock.bind((flow.vip, port))
            sock.listen(64)


def joiner(lab, flow, port):
    """Starts such a process on lb; its number."""
    with lab.lb:
        child = os.fork()
        if child == 0:
            try:
                join_and_leave(flow, port)
            finally:
                os._exit(1)
    return child


@each(TCP)
def test_no_syn_is_refused_while_a_member_listens(lab, flow):
    lab.servers.listen(flow, [8001], reuse_port=True)
    lab.steer(flow, ports="8001")
    lab.lb.sysctl("net.ipv4.tcp_max_syn_backlog", 65536)
    flood = Flood(lab, flow, 80)
    refused = ("no_destination", "rejected")
    before = {name: lab.counter(name) for name in (*refused, "steered")}
    children = [joiner(lab, flow, 8001) for _ in range(2)]
    try:
        end, sent = time.monotonic() + fewer(SECONDS, SECONDS / 2), 0
        while time.monotonic() < end:
            flood.renew()
            flood.send()
            sent += SYNS
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    after = {name: lab.counter(name) - count for name, count in before.items()}
    print(f"    # {sent} SYNs, {after}", flush=True)
    check(after["steered"] > 100, f"the flood was not steered: {after}")
    equal({name: after[name] for name in refused}, dict.fromkeys(refused, 0), "refused SYNs")
