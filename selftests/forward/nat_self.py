# SPDX-License-Identifier: GPL-2.0
"""A client that is itself one of the destinations' processes is served."""

import socket

from lib.clients import refusal, served_by, talk
from lib.ktap import check, each, equal, seconds
from lib.lab import FLOWS, TCP, UDP

PORTS = range(8001, 8005)


@each(FLOWS)
def test_the_serving_process_is_its_own_client(lab, flow):
    """The servers and these clients are one process, so some conversations are with itself."""
    lab.servers.listen(flow, PORTS)
    lab.balance(flow)
    equal(served_by(lab.lb, flow, 8), {port: 2 for port in PORTS}, "conversations by port")


@each(TCP)
def test_a_worker_connects_from_its_own_port(lab, flow):
    """The source port is that of a destination: replies must not go to the wrong flow."""
    lab.servers.listen(flow, PORTS, reuse_port=True)
    lab.balance(flow)
    for port in PORTS:
        with talk(lab.lb, flow, source=flow.vip, source_port=port, reuse=True) as conversation:
            conversation.bulk(20_000)
            check(conversation.port != port, f"port {port} was connected to itself")
            conversation.close(reset=True)


@each(UDP)
def test_a_worker_asks_from_its_own_bound_port(lab, flow):
    """The worker's own socket asks the service, as DNS servers do of one another."""
    lab.servers.listen(flow, range(8002, 8005))
    lab.balance(flow, ports="8001-8004", port=53)
    with lab.lb, socket.socket(flow.family, socket.SOCK_DGRAM) as worker:
        worker.settimeout(seconds(3))
        worker.bind((flow.vip, 8001))
        for number in range(8):
            worker.sendto(b"question %d" % number, (flow.vip, 53))
            answer, peer = worker.recvfrom(2048)
            line, _, echo = answer.partition(b"\n")
            equal(peer[:2], (flow.vip, 53), "who answered")
            equal(echo, b"question %d" % number, "the answer")
            equal(line.split()[2], b"8001", "the port that the question came from")


@each(FLOWS)
def test_the_only_destination_asks_from_its_own_port(lab, flow):
    """There is nobody else to ask: a clean refusal, and the destination still serves others."""
    lab.servers.listen(flow, [8001], reuse_port=True)
    lab.balance(flow, ports="8001")
    equal(refusal(lab.lb, flow, source=flow.vip, source_port=8001, reuse=True), "refused",
          "asking oneself through the service")
    equal(served_by(lab.client, flow, 2), {8001: 2}, "conversations by port afterwards")
