# SPDX-License-Identifier: GPL-2.0
"""With net.ipv4.vs.nat_icmp_send, what a destination sends without an entry is refused."""

import contextlib
import socket

from lib import kernel
from lib.clients import refusal, talk
from lib.ktap import check, each, equal, seconds, wait_until
from lib.lab import FLOWS, SCTP, UDP
from lib.packets import Sniffer

SETTING = "net.ipv4.vs.nat_icmp_send"


@contextlib.contextmanager
def on(lab):
    """The setting, and the default again."""
    lab.lb.sysctl(SETTING, 1)
    try:
        yield
    finally:
        lab.lb.sysctl(SETTING, 0)


def need(flow):
    """Loads what the flow needs."""
    if flow.protocol == "sctp":
        kernel.need("sctp")


def places(lab, flow):
    """A remote and a local client, and an address of each: an SCTP socket that is not bound has
    every address of its host."""
    if flow.protocol != "sctp":
        return (lab.client, None), (lab.lb, None)
    return (lab.client, flow.client), (lab.lb, flow.host)


def is_unreachable(flow, port):
    """A test for a packet: a port unreachable about one from this port."""
    head, kind, code = (20, 3, 3) if flow.version == 4 else (40, 1, 4)
    icmp = 1 if flow.version == 4 else 58

    def wanted(packet):
        return (packet[0] >> 4 == flow.version and packet[9 if flow.version == 4 else 6] == icmp
                and packet[head:head + 2] == bytes((kind, code))
                and packet[2 * head + 8:2 * head + 10] == port.to_bytes(2, "big"))
    return wanted


@each([*FLOWS, *SCTP])
def test_balanced_traffic_goes_on(lab, flow):
    """Also of a destination that was deleted; and what is no destination's is not touched."""
    need(flow)
    equal(lab.lb.read("/proc/sys/net/ipv4/vs/nat_icmp_send"), "0\n", "the default")
    lab.servers.listen(flow, [8001, 7000])
    before = lab.counter("no_entry")
    for where, source in places(lab, flow):
        service = lab.balance(flow, ports="8001")
        with on(lab):
            with talk(where, flow, source=source) as conversation:
                conversation.bulk(50_000)
                lab.rlvs(f"dest del {service} :8001")
                conversation.bulk(50_000)
            with talk(where, flow, 7000, source=source) as conversation:
                conversation.bulk(50_000)
        lab.director().flush_now()
    equal(lab.counter("no_entry"), before, "no_entry")


@each([*FLOWS, *SCTP])
def test_direct_traffic_is_refused(lab, flow):
    """What a destination answers to clients that go straight to it, and its process is told. Off,
    it goes through; so it does when the destination is gone."""
    need(flow)
    lab.servers.listen(flow, [8001])
    service = lab.balance(flow, ports="8001")
    loopback = Sniffer(lab.lb, "lo")
    for where, source in places(lab, flow):
        talk(where, flow, 8001, source=source).close()
        before = lab.counter("no_entry")
        with on(lab):
            how = refusal(where, flow, 8001, limit=0.5, source=source)
            wait_until(lambda b=before: lab.counter("no_entry") > b, "no_entry has counted")
        check(how != "served", "it was served")
        check(loopback.first(is_unreachable(flow, 8001)), "the process was not told")
    lab.rlvs(f"dest del {service} :8001 --now")
    with on(lab):
        talk(lab.client, flow, 8001, source=places(lab, flow)[0][1]).close()


@each(UDP)
def test_a_process_that_sends_is_told(lab, flow):
    """At once by the call, and by the error; of a wildcard destination any address is one."""
    lab.rlvs(f"service add {flow.service(80, flow.any)}")
    lab.rlvs(f"dest add {flow.service(80, flow.any)} :8001 --method nat")
    target = (flow.client, 9)
    for address in (flow.vip, flow.host):
        with lab.lb:
            server = socket.socket(flow.family, socket.SOCK_DGRAM)
        with server, on(lab):
            server.settimeout(seconds(5))
            server.bind((address, 8001))
            before = lab.counter("no_entry")
            try:
                server.sendto(b"anybody?", target)
                check(False, "it was sent")
            except ConnectionRefusedError:
                pass
            equal(lab.counter("no_entry"), before + 1, "no_entry")
            server.connect(target)
            try:
                server.send(b"anybody?")
                check(False, "it was sent")
            except ConnectionRefusedError:
                pass
            wait_until(lambda s=server: s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR),
                       "the socket has an error")


@each([f for f in (*FLOWS, *SCTP) if f.protocol != "udp"])
def test_a_reset_is_let_through(lab, flow):
    """It ends what there may be: nobody listens, and a client that comes straight is told."""
    need(flow)
    lab.balance(flow, ports="8001")
    before = lab.counter("no_entry")
    with on(lab):
        for where, source in places(lab, flow):
            equal(refusal(where, flow, 8001, source=source), "refused", "what the client met")
    equal(lab.counter("no_entry"), before, "no_entry")


@each(UDP)
def test_one_packet_scheduling_needs_no_entry(lab, flow):
    lab.servers.listen(flow, [8001])
    lab.rlvs(f"service add {flow.service(80)} --flags ops")
    lab.rlvs(f"dest add {flow.service(80)} :8001 --method nat")
    before = lab.counter("no_entry")
    with on(lab):
        for where in (lab.client, lab.lb):
            talk(where, flow).close()
    equal((lab.counter("no_entry"), lab.conns()), (before, []), "no_entry, and the entries")
