# SPDX-License-Identifier: GPL-2.0
"""A UDP flow stays with its destination, and another flow is balanced anew."""

import mmap
import os
import socket
import time

from lib.clients import talk
from lib.ktap import Skip, check, each, equal, seconds
from lib.lab import UDP


@each(UDP)
def test_a_flow_keeps_its_destination(lab, flow):
    lab.servers.listen(flow, range(8001, 8005))
    lab.balance(flow)
    for where in (lab.client, lab.lb):
        with talk(where, flow) as conversation:
            # say() checks that it is the same server each time.
            for number in range(10):
                conversation.say(b"datagram %d" % number)


@each(UDP)
def test_a_socket_that_comes_back_is_the_same_flow(lab, flow):
    """The flow is known by its addresses and ports until it expires."""
    lab.servers.listen(flow, range(8001, 8005))
    lab.balance(flow)
    ports = set()
    for _ in range(4):
        with talk(lab.client, flow, source=flow.client, source_port=40000) as conversation:
            ports.add(conversation.port)
    equal(len(ports), 1, "servers of the one flow")


@each(UDP)
def test_one_entry_for_both_directions(lab, flow):
    lab.servers.listen(flow, range(8001, 8005))
    lab.balance(flow)
    with talk(lab.client, flow) as conversation:
        conversation.bulk()
        found = lab.conns()
        equal(len(found), 1, "entries")
        expires = found[0].pop("expires")
        check(300 - seconds(10) <= expires <= 300, f"expires is {expires}, wanted about 300 s")
        equal(found[0], {
            "protocol": "udp",
            "client_address": conversation.name[0], "client_port": conversation.name[1],
            "service_address": flow.vip, "service_port": 80,
            "destination_address": flow.vip, "destination_port": conversation.port,
            "state": "UDP",
        }, "the entry")


def send_from_two_processors(sockets):
    """Each socket's first two datagrams leave at the same moment, on different processors."""
    turn = mmap.mmap(-1, 2)  # which socket's turn it is, and which the child has done
    processors = sorted(os.sched_getaffinity(0))
    if len(processors) < 2:
        raise Skip("this machine has one processor")
    child = os.fork()
    mine = processors[0] if child else processors[1]
    os.sched_setaffinity(0, {mine})
    try:
        for number, sock in enumerate(sockets, 1):
            if child:
                turn[0] = number % 256
            while turn[0] != number % 256:
                pass
            sock.send(b"first" if child else b"other")
            if not child:
                turn[1] = number % 256
            while child and turn[1] != number % 256:
                time.sleep(0)
    finally:
        if not child:
            os._exit(0)
    os.waitpid(child, 0)
    os.sched_setaffinity(0, processors)


@each(UDP)
def test_two_first_packets_at_once_are_one_flow(lab, flow):
    """Neither may take the other's new entry for a stranger's."""
    lab.servers.listen(flow, range(8001, 8003))
    for destinations in ("8001", "8001-8002"):
        service = lab.balance(flow, ports=destinations)
        for where in (lab.client, lab.lb):
            with where:
                sockets = [socket.socket(flow.family, socket.SOCK_DGRAM) for _ in range(60)]
            for sock in sockets:
                sock.connect((flow.vip, 80))
                sock.settimeout(seconds(5))
            send_from_two_processors(sockets)
            for sock in sockets:
                answers = [sock.recv(2048).split(b"\n") for _ in range(2)]
                equal({echo for _, echo in answers}, {b"first", b"other"}, "the answers")
                equal(len({line for line, _ in answers}), 1, "servers of the flow")
                sock.close()
        lab.rlvs(f"service del {service} --now")
