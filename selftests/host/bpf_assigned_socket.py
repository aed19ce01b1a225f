# SPDX-License-Identifier: GPL-2.0
"""No service takes a packet that a BPF program has given a socket (bpf_sk_assign)."""

from lib.bpf import assigner, at_ingress
from lib.clients import served_by
from lib.ktap import check, each, equal, wait_until
from lib.lab import TCP, UDP

CHOSEN = 9090


@each(TCP)
def test_a_connection_goes_where_the_program_says(lab, flow):
    """Whether the service rewrites or steers, and after the program is gone to the service."""
    lab.servers.listen(flow, [8001, CHOSEN])
    for make in (lab.balance, lab.steer):
        service = make(flow, ports="8001")
        with at_ingress(lab.lb, "wan", assigner(flow, 80, flow.vip, CHOSEN)):
            equal(served_by(lab.client, flow, 3), {CHOSEN: 3}, "who serves")
            equal(lab.conns(), [], "connection entries")
            equal(lab.find(service)["stats"]["connections"], 0, "connections of the service")
            # It does not see what the host sends to itself by its loopback device.
            check(CHOSEN not in served_by(lab.lb, flow, 1), "a local client was served by it")
        check(CHOSEN not in served_by(lab.client, flow, 2), "the program is gone")
        lab.rlvs(f"service del {service} --now")


@each(UDP)
def test_a_datagram_goes_where_the_program_says(lab, flow):
    """The answer is the process's business."""
    lab.servers.listen(flow, [8001, CHOSEN])
    service = lab.balance(flow, ports="8001")
    with lab.client:
        client = flow.socket()
    with client, at_ingress(lab.lb, "wan", assigner(flow, 80, flow.vip, CHOSEN)):
        for number in range(1, 4):
            client.sendto(b"hello", (flow.vip, 80))
            wait_until(lambda n=number: lab.servers.datagrams[CHOSEN] == n, "it arrives")
        equal(lab.servers.datagrams[8001], 0, "datagrams at the destination")
        equal(lab.conns(), [], "connection entries")
        equal(lab.find(service)["stats"]["connections"], 0, "connections of the service")
    equal(served_by(lab.client, flow, 2), {8001: 2}, "who serves without the program")
